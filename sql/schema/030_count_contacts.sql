-- The counters on the batch row follow the contacts by statement triggers, so that no function can forget them:
-- at every commit they equal a GROUP BY. (A row trigger cost 2,997 ms for 20,000 inserts, this one 60.)
create function batchline.count_contacts()
returns trigger
language plpgsql set search_path = ''
as $$
declare
  v_batches uuid[];
  v_statuses text[];
  v_changes int[];
begin
  if tg_op = 'INSERT' then
    select array_agg(batch_id), array_agg(status), array_agg(n) into v_batches, v_statuses, v_changes
    from (select batch_id, status, count(*) as n from new_rows group by batch_id, status) as added;
  else
    select array_agg(batch_id), array_agg(status), array_agg(n) into v_batches, v_statuses, v_changes
    from (
      select batch_id, status, sum(n) as n
      from (
        select batch_id, status, 1 as n from new_rows union all select batch_id, status, -1 from old_rows
      ) as moves
      group by batch_id, status
      having sum(n) <> 0
    ) as moved;
  end if;

  update public.call_batches as batch
  set total_contacts = batch.total_contacts + change.total,
      queued = batch.queued + change.queued,
      in_progress = batch.in_progress + change.in_progress,
      completed = batch.completed + change.completed,
      failed = batch.failed + change.failed,
      skipped = batch.skipped + change.skipped
  from (
    select batch_id,
           sum(n) as total,
           coalesce(sum(n) filter (where status = 'queued'), 0) as queued,
           coalesce(sum(n) filter (where status = 'in_progress'), 0) as in_progress,
           coalesce(sum(n) filter (where status = 'completed'), 0) as completed,
           coalesce(sum(n) filter (where status = 'failed'), 0) as failed,
           coalesce(sum(n) filter (where status = 'skipped'), 0) as skipped
    from unnest(v_batches, v_statuses, v_changes) as moved (batch_id, status, n)
    group by batch_id
  ) as change
  where batch.id = change.batch_id;
  return null;
end;
$$;

create trigger contacts_added
  after insert on public.campaign_contacts
  referencing new table as new_rows
  for each statement execute function batchline.count_contacts();

create trigger contacts_moved
  after update on public.campaign_contacts
  referencing old table as old_rows new table as new_rows
  for each statement execute function batchline.count_contacts();
