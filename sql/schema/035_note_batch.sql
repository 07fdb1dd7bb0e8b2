-- A batch's change of state and the notice of it are one transaction. A trigger, so that no verb can forget it; a row
-- trigger, since the counters, which change at every call, name no status and so cost nothing.
create function batchline.note_batch()
returns trigger
language plpgsql set search_path = ''
as $$
declare
  v_event text := case
    when new.status = 'processing' and old.started_at is null then 'batch.started'
    when new.status in ('paused', 'completed', 'failed', 'cancelled') then 'batch.' || new.status
  end;
  v_now timestamptz := batchline.clock();
begin
  insert into public.notices (agency_id, batch_id, event, data, next_attempt_at, created_at)
  select new.agency_id, new.id, v_event, jsonb_build_object('status', new.status, 'reason', new.error_message), v_now, v_now
  from public.notice_endpoints
  where agency_id = new.agency_id and active and v_event = any (events);
  return null;
end;
$$;

create trigger batches_noted
  after update of status on public.call_batches
  for each row when (new.status is distinct from old.status) execute function batchline.note_batch();
