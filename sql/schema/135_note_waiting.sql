-- waiting_until of the agency's batches: when the next contact may be dialled, where calling hours or a rule about the
-- numbers hold contacts back and nobody else can be dialled. The agency's lock is held, the batch rows come last.
create function batchline.note_waiting(p_agency_id uuid, p_now timestamptz)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_news jsonb;
  v_batch public.call_batches;
begin
  select jsonb_object_agg(batch.id, found.until) into v_news
  from public.call_batches as batch
  left join (
    select queue.batch_id, min(queue.opens_at) as until
    from batchline.queue_openings(p_agency_id, p_now) as queue
    group by queue.batch_id
    having min(queue.opens_at) > p_now and bool_or(queue.held)
  ) as found on found.batch_id = batch.id
  where batch.agency_id = p_agency_id and batch.status = 'processing'
    and batch.waiting_until is distinct from found.until;
  if v_news is null then
    return;
  end if;

  perform batchline.lock_batches(array(select jsonb_object_keys(v_news)::uuid));
  for v_batch in
    select * from public.call_batches
    where id = any (array(select jsonb_object_keys(v_news)::uuid)) and status = 'processing'
    order by id
  loop
    update public.call_batches set waiting_until = (v_news ->> v_batch.id::text)::timestamptz where id = v_batch.id;
    if v_batch.waiting_until is null then
      perform batchline.log_batch_event(
        v_batch, 'deferred', 'Nobody may be called now',
        p_detail => jsonb_build_object('until', public.iso_utc((v_news ->> v_batch.id::text)::timestamptz))
      );
    end if;
  end loop;
end;
$$;
