-- Notes when a batch's hours are open in these sets of time zones (each a JSON list), the first time they are met. Hours
-- that are the same for everybody need no note: null is always. Where they never meet, holidays or none, opens_at is
-- infinity.
create function batchline.open_batch_zones(p_batch public.call_batches, p_sets jsonb)
returns void
language sql volatile set search_path = ''
as $$
  insert into public.call_batch_zones (batch_id, time_zones, agency_id, opens_at, closes_at)
  select p_batch.id, missing.time_zones, p_batch.agency_id,
         case when ever.opens then first.opens_at else 'infinity' end,
         case when ever.opens then first.closes_at else 'infinity' end
  from (
    select distinct batchline.contact_zones(p_batch.calling_hours, zones) as time_zones
    from jsonb_array_elements(p_sets) as listed (zones)
    except
    select time_zones from public.call_batch_zones where batch_id = p_batch.id
  ) as missing
  cross join lateral batchline.next_window(p_batch.calling_hours, missing.time_zones, batchline.clock()) as first
  cross join lateral (
    select exists (
      select from public.calling_windows(
        p_batch.calling_hours - 'holidays', missing.time_zones, batchline.clock(), batchline.clock() + interval '8 days'
      )
    ) as opens
  ) as ever
  where p_batch.calling_hours is not null and missing.time_zones is not null
  on conflict do nothing;
$$;
