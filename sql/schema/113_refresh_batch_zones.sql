-- What follows the windows that have closed, for the processing batches of an agency whose lock is held. The same hours
-- and zones are reckoned once, however many batches have them.
create function batchline.refresh_batch_zones(p_agency_id uuid, p_now timestamptz)
returns void
language sql volatile set search_path = ''
as $$
  with closed as materialized (
    select zone.batch_id, zone.time_zones, batch.calling_hours
    from public.call_batches as batch
    join public.call_batch_zones as zone on zone.batch_id = batch.id
    where batch.agency_id = p_agency_id and batch.status = 'processing' and zone.closes_at <= p_now
  ),
  following as materialized (
    select once.calling_hours, once.time_zones, "window".opens_at, "window".closes_at
    from (select distinct calling_hours, time_zones from closed) as once
    cross join lateral batchline.next_window(once.calling_hours, once.time_zones, p_now) as "window"
  )
  update public.call_batch_zones as zone
  set opens_at = following.opens_at, closes_at = following.closes_at
  from closed
  join following using (calling_hours, time_zones)
  where zone.batch_id = closed.batch_id and zone.time_zones = closed.time_zones;
$$;
