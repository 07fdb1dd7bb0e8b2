-- What every processing batch of an agency, and the agency itself (batch_id null), may still begin and when the clock
-- opens the next place. Limits are computed from rows, never from a counter that a dead worker would leave behind.
-- Planned anew each time: a plan made while the tables were small would read all calls of the agency ever after.
-- A claimed call is about to begin, so it counts as begun now; one that was released counts for nothing. Nor does one
-- that began more than a window from now: the clock was set back, and would stop the pace for as long as that.
create function batchline.dial_room(p_agency_id uuid, p_now timestamptz)
returns table (batch_id uuid, room int, begun int, opens_at timestamptz)
language sql stable rows 10 set search_path = '' set plan_cache_mode = force_custom_plan
as $$
  with counting as materialized (
    select call.batch_id, call.is_live, coalesce(call.began_at, p_now) as began_at
    from public.calls as call
    where call.agency_id = p_agency_id and call.is_live
    union all
    select call.batch_id, false, call.began_at
    from public.calls as call
    where call.agency_id = p_agency_id and call.contact_id is not null
      and call.began_at between p_now - interval '61 s' and p_now + interval '61 s' and not call.is_live
  ),
  use as (
    select counting.batch_id,
           grouping(counting.batch_id) = 1 as whole_agency,
           count(*) filter (where counting.is_live)::int as live,
           coalesce(
             array_agg(counting.began_at order by counting.began_at desc)
               filter (where counting.began_at between p_now - interval '61 s' and p_now + interval '61 s'),
             '{}'
           ) as begun
    from counting
    group by grouping sets ((counting.batch_id), ())
  ),
  limits as (
    select batch.id, batch.calls_per_minute, batch.max_concurrent, false as whole_agency
    from public.call_batches as batch
    where batch.agency_id = p_agency_id and batch.status = 'processing'
    union all
    select null, agency.max_calls_per_minute,
           least(agency.max_concurrent_calls, agency.provider_concurrent_calls), true
    from public.agencies as agency
    where agency.id = p_agency_id
  )
  select limits.id,
         least(pace.room, limits.max_concurrent - coalesce(use.live, 0)),
         coalesce(cardinality(use.begun), 0),
         pace.opens_at
  from limits
  left join use
    on use.whole_agency = limits.whole_agency and (use.whole_agency or use.batch_id = limits.id)
  cross join lateral batchline.pace_room(coalesce(use.begun, '{}'), limits.calls_per_minute, p_now) as pace;
$$;
