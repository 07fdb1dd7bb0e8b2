-- What the clock decides of an agency's batches: pending and due, scheduled and due -> processing; what can dial no
-- more is paused, what is over ends. Answers when the next one starts or ends. The agency is locked.
create function batchline.start_call_batches(p_agency_id uuid)
returns timestamptz
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_batch public.call_batches;
begin
  for v_batch in
    select * from public.call_batches
    where agency_id = p_agency_id and status in ('pending', 'scheduled')
      and (scheduled_for is null or scheduled_for <= v_now)
    order by id
    for no key update
  loop
    update public.call_batches
    set status = 'processing', started_at = v_now, resumed_at = v_now
    where id = v_batch.id;
    perform batchline.log_batch_event(v_batch, 'started');
    perform batchline.start_contacts(v_batch.id);
    perform batchline.complete_batches(array[v_batch.id]);
  end loop;
  perform batchline.pause_inactive(p_agency_id);
  return least(
    batchline.end_call_batches(p_agency_id, v_now),
    (select min(scheduled_for) from public.call_batches where agency_id = p_agency_id and status = 'scheduled')
  );
end;
$$;
