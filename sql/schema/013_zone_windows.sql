-- When calling hours are open by the clock on one zone's wall, from p_from to p_to. A window belongs to the day it
-- starts, also over midnight, and does not take place if that day is a holiday. What the clock shows decides: an hour
-- that it shows twice is open twice, and one that it leaves out is never. Windows that touch are one.
create function public.zone_windows(p_hours jsonb, p_time_zone text, p_from timestamptz, p_to timestamptz)
returns tstzmultirange
language sql stable set search_path = '' set jit = off
as $$
  with day as (
    select day::date as day, (array['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'])[extract(isodow from day)] as name
    from generate_series(
      p_from at time zone 'UTC' - interval '3 days',
      least(p_to, p_from + interval '70 days') at time zone 'UTC' + interval '2 days',
      '1 day'
    ) as day
  ),
  wall as (
    select day.day + (clock.hours ->> 0)::time as opens_at,
           day.day + (clock.hours ->> 1)::time
             + case when (clock.hours ->> 1)::time < (clock.hours ->> 0)::time then interval '1 day' else '0' end as closes_at
    from day
    cross join lateral jsonb_array_elements(p_hours -> 'weekly' -> day.name) as clock (hours)
    where not coalesce(p_hours -> 'holidays', '[]') ? day.day::text
  )
  select coalesce(
    range_agg(
      offsets.span * tstzrange(
        (wall.opens_at - offsets.utc_offset) at time zone 'UTC', (wall.closes_at - offsets.utc_offset) at time zone 'UTC'
      )
    ),
    '{}'
  )
  from public.offset_spans(p_time_zone, p_from, p_to) as offsets
  cross join wall;
$$;
