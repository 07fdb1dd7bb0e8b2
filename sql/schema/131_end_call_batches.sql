-- Whose time is over: who is left is skipped, calls that go on end by themselves, and the batch completes with the last.
-- A paused batch ends too; one that was paused before its start counts as started, since completed means that.
-- Answers when the next one ends.
create function batchline.end_call_batches(p_agency_id uuid, p_now timestamptz)
returns timestamptz
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  for v_batch in
    select * from public.call_batches
    where agency_id = p_agency_id and status in ('processing', 'paused') and ends_at <= p_now
    order by id
    for no key update
  loop
    update public.call_batches set started_at = p_now where id = v_batch.id and started_at is null;
    perform batchline.release_claimed(v_batch.id, 'Batch ended');
    perform batchline.skip_waiting(v_batch, 'Batch ended', '{"rule": "ends_at"}');
    perform batchline.complete_batches(array[v_batch.id]);
  end loop;
  return (
    select min(ends_at) from public.call_batches
    where agency_id = p_agency_id and status in ('processing', 'paused') and ends_at > p_now
  );
end;
$$;
