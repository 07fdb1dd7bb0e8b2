-- The queues of an agency's processing batches: one for each set of time zones, with the window that is open or next.
create function batchline.batch_queues(p_agency_id uuid)
returns table (batch_id uuid, time_zones text[], opens_at timestamptz, closes_at timestamptz)
language sql stable rows 50 set search_path = ''
as $$
  select batch.id, '{}'::text[], timestamptz '-infinity', timestamptz 'infinity'
  from public.call_batches as batch
  where batch.agency_id = p_agency_id and batch.status = 'processing' and batch.calling_hours is null
  union all
  select batch.id, zone.time_zones, zone.opens_at, zone.closes_at
  from public.call_batches as batch
  join public.call_batch_zones as zone on zone.batch_id = batch.id
  where batch.agency_id = p_agency_id and batch.status = 'processing' and batch.calling_hours is not null;
$$;
