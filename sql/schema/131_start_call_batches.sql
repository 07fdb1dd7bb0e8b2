-- pending and due, scheduled and due -> processing. Answers when the next scheduled batch of the agency is due.
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
  return (
    select min(scheduled_for) from public.call_batches where agency_id = p_agency_id and status = 'scheduled'
  );
end;
$$;
