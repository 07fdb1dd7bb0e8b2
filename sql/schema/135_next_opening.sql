-- When the agency's next call can begin, as far as the clock decides it; waiting_for_slot says that contacts could be
-- dialled now if a call ended (of their batch, of the agency, or to their number). Both empty: nothing is queued.
-- Before its opening nobody waits for a slot, however full the batch is.
create function batchline.next_opening(
  p_agency_id uuid, p_now timestamptz, out opens_at timestamptz, out waiting_for_slot boolean
)
language sql stable set search_path = ''
as $$
  with room as materialized (
    select * from batchline.dial_room(p_agency_id, p_now)
  ),
  opening as (
    select greatest(batch.opens_at, agency.opens_at, queue.opens_at, agencies.dial_after) as opens_at
    from batchline.queue_openings(p_agency_id, p_now) as queue
    join room as batch on batch.batch_id = queue.batch_id
    join room as agency on agency.batch_id is null
    join public.agencies on agencies.id = p_agency_id
  )
  select min(opening.opens_at) filter (where opening.opens_at > p_now),
         coalesce(bool_or(opening.opens_at <= p_now), false)
  from opening;
$$;
