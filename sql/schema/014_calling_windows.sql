-- When a call may begin, from p_from to p_to: while the hours are open in every one of the zones, but not in a window's
-- last minute, so that nobody's telephone rings when it has closed. closes_at is no longer in it. Hours that are null
-- are always open. No zone, or one that the database does not know, is never open; a zone that the hours name counts
-- alone.
create function public.calling_windows(
  p_hours jsonb, p_time_zones text[], p_from timestamptz, p_to timestamptz
)
returns table (opens_at timestamptz, closes_at timestamptz)
language sql stable rows 10 set search_path = '' set jit = off
as $$
  with zone as (
    -- Three minutes beyond both ends: a window is not over where nobody looks further.
    select public.zone_windows(p_hours, name, p_from - interval '3 min', p_to + interval '3 min') as windows
    from unnest(
      case when p_hours ->> 'timezone' <> 'recipient' then array[p_hours ->> 'timezone'] else p_time_zones end
    ) as zone (name)
  ),
  cut as (
    select coalesce(
      (
        select range_agg(tstzrange(lower(open), upper(open) - interval '1 min'))
        from unnest(zone.windows) as open
        where upper(open) - lower(open) > interval '1 min'
      ),
      '{}'
    ) as windows
    from zone
  ),
  shared as (
    select range_intersect_agg(cut.windows) as windows from cut
    where p_hours is not null
    union all
    select tstzmultirange(tstzrange(p_from, p_to)) where p_hours is null
  )
  select lower(open), upper(open)
  from shared
  cross join lateral unnest(shared.windows * tstzmultirange(tstzrange(p_from, p_to))) as open
  order by 1;
$$;
