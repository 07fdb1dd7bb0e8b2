-- The stretches of time from p_from to p_to in which the same queues are open, and which those are, by their place.
create function public.forecast_segments(p_hours jsonb, p_queues jsonb, p_from timestamptz, p_to timestamptz)
returns table (at timestamptz, until timestamptz, open int[])
language sql stable rows 100 set search_path = '' set jit = off
as $$
  with "window" as materialized (
    select listed.id::int as id, hours.opens_at, hours.closes_at
    from jsonb_array_elements(p_queues) with ordinality as listed (queue, id)
    cross join lateral public.calling_windows(
      p_hours, array(select jsonb_array_elements_text(listed.queue -> 'time_zones')), p_from, p_to
    ) as hours
  ),
  bound as (
    select bounds.at, lead(bounds.at) over (order by bounds.at) as until
    from (select opens_at as at from "window" union select closes_at from "window") as bounds
  )
  select bound.at, bound.until, array_agg("window".id)
  from bound
  join "window" on "window".opens_at <= bound.at and "window".closes_at >= bound.until
  group by bound.at, bound.until
  order by bound.at;
$$;
