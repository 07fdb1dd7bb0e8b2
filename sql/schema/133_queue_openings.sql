-- When hours and rules let the first of each queue be dialled, and whether it is they that it waits for.
-- Without a sort: a planner without statistics would else take another index, and read the whole batch for each queue.
create function batchline.queue_openings(p_agency_id uuid, p_now timestamptz)
returns table (batch_id uuid, opens_at timestamptz, held boolean)
language sql stable rows 50 set search_path = '' set enable_sort = off set enable_bitmapscan = off set jit = off
as $$
  select queue.batch_id, greatest(queue.opens_at, first.next_attempt_at),
         queue.opens_at > greatest(p_now, first.next_attempt_at)
           or first.reason in (
             batchline.hold_reason('max_daily_calls_per_number'), batchline.hold_reason('minutes_between_batches')
           )
  from batchline.batch_queues(p_agency_id) as queue
  cross join lateral (
    select queued.next_attempt_at, queued.reason
    from public.campaign_contacts as queued
    where queued.batch_id = queue.batch_id and queued.time_zones = queue.time_zones and queued.status = 'queued'
    order by queued.next_attempt_at, queued.position
    limit 1
  ) as first;
$$;
