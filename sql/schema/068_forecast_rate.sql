-- How many calls of a batch can begin in a second, which limit allows no more, and how long a call takes: the mean of
-- the agency's last 50 that ended, a minute before there are 20. What the agency's plan leaves to the batch is its equal
-- share among those that are being dialled, or what the others cannot use.
create function public.forecast_rate(
  p_batch public.call_batches, out per_second double precision, out limited_by text, out seconds double precision
)
language sql stable
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set jit = off
set plan_cache_mode = force_custom_plan
as $$
  with usual as (
    select case when count(*) < 20 then 60 else greatest(1, avg(extract(epoch from recent.ended_at - recent.began_at))) end
             as seconds
    from (
      select ended_at, began_at
      from public.calls
      where agency_id = p_batch.agency_id and contact_id is not null and began_at is not null and ended_at > began_at
      order by began_at desc
      limit 50
    ) as recent
  ),
  other as (
    select count(*) + 1 as batches, coalesce(sum(calls_per_minute), 0) as calls_per_minute,
           coalesce(sum(max_concurrent), 0) as max_concurrent
    from public.call_batches
    where agency_id = p_batch.agency_id and status = 'processing' and waiting_until is null and id <> p_batch.id
  ),
  shared as (
    select greatest(agency.max_calls_per_minute::double precision / other.batches,
                    agency.max_calls_per_minute - other.calls_per_minute) as calls_per_minute,
           greatest(places.places::double precision / other.batches, places.places - other.max_concurrent) as max_concurrent
    from public.agencies as agency
    cross join lateral (
      select least(agency.max_concurrent_calls, nullif(agency.provider_concurrent_calls, 0)) as places
    ) as places
    cross join other
    where agency.id = p_batch.agency_id
  )
  select allowed.per_second, allowed.limited_by, usual.seconds
  from usual
  cross join shared
  cross join lateral (
    values (1, 'calls_per_minute', p_batch.calls_per_minute / 60.0::double precision),
           (2, 'max_concurrent', p_batch.max_concurrent / usual.seconds),
           (3, 'agency_limit', least(shared.calls_per_minute / 60, shared.max_concurrent / usual.seconds))
  ) as allowed (place, limited_by, per_second)
  order by allowed.per_second, allowed.place
  limit 1;
$$;
