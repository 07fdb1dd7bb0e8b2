-- A call is placed only when it may be: calling hours in the recipient's own time, caps and gaps for each number.

alter table public.agencies
  add column max_daily_calls_per_number int not null default 3,
  add column minutes_between_batches int not null default 60,
  add constraint daily_calls_per_number_are_positive check (max_daily_calls_per_number > 0),
  add constraint minutes_between_batches_are_not_negative check (minutes_between_batches between 0 and 1440);
grant select (max_daily_calls_per_number, minutes_between_batches) on public.agencies to authenticated;

alter table public.call_batches
  add constraint waiting_only_while_processing check (waiting_until is null or status = 'processing');

alter table public.campaign_contacts
  add column time_zones text[] default '{}',
  add constraint queued_has_time_zones check (status <> 'queued' or time_zones is not null);
drop index public.campaign_contacts_queue_idx;
create index campaign_contacts_queue_idx on public.campaign_contacts (batch_id, time_zones, next_attempt_at, position)
  where status = 'queued';

create index calls_number_idx on public.calls (agency_id, to_number, created_at) where to_number is not null;

create table public.call_batch_zones (
  batch_id uuid not null references public.call_batches (id),
  time_zones text[] not null,  -- as its contacts have them
  agency_id uuid not null references public.agencies (id),
  opens_at timestamptz not null,  -- from then until closes_at calls may begin; nothing may before
  closes_at timestamptz not null,  -- what follows is found out when it has passed
  primary key (batch_id, time_zones),
  constraint opens_before_it_closes check (opens_at <= closes_at)
);
comment on table public.call_batch_zones is
  'When a batch''s calling hours are open next, for each set of time zones that its contacts are in: so that a claim '
  'reckons no time zones and passes over nobody who sleeps.';
create index call_batch_zones_agency_idx on public.call_batch_zones (agency_id);

create policy batch_zones_are_read_by_their_agency on public.call_batch_zones for select to authenticated
  using (
    agency_id = (select agency_id from public.users where id = (select auth.uid()))
    and exists (select from public.call_batches as batch where batch.id = batch_id)
  );
alter table public.call_batch_zones enable row level security;
revoke all on public.call_batch_zones from anon, authenticated;
grant select, insert, update, delete on public.call_batch_zones to service_role;
grant select on public.call_batch_zones to authenticated;


-- The spans of constant UTC offset of a time zone that cover p_from to p_to; none if the database does not know the zone.
-- Offsets are compared day by day, and a change is found by halving: no rule of our time takes one back within a day.
create or replace function batchline.offset_spans(p_time_zone text, p_from timestamptz, p_to timestamptz)
returns table (span tstzrange, utc_offset interval)
language plpgsql stable rows 2 set search_path = ''
as $$
declare
  v_end timestamptz := date_trunc('second', p_to) + interval '1 s';  -- offsets change on whole seconds
  v_start timestamptz := date_trunc('second', p_from);
  v_same timestamptz := v_start;
  v_other timestamptz;
  v_half timestamptz;
begin
  utc_offset := (v_start at time zone p_time_zone) - (v_start at time zone 'UTC');
  while v_same < v_end loop
    v_other := least(v_same + interval '24 hours', v_end);
    if (v_other at time zone p_time_zone) - (v_other at time zone 'UTC') <> utc_offset then
      while v_other - v_same > interval '1 s' loop
        v_half := date_trunc('second', v_same + (v_other - v_same) / 2);
        if (v_half at time zone p_time_zone) - (v_half at time zone 'UTC') = utc_offset then
          v_same := v_half;
        else
          v_other := v_half;
        end if;
      end loop;
      span := tstzrange(v_start, v_other);
      return next;
      v_start := v_other;
      utc_offset := (v_other at time zone p_time_zone) - (v_other at time zone 'UTC');
    end if;
    v_same := v_other;
  end loop;
  span := tstzrange(v_start, v_end);
  return next;
exception when invalid_parameter_value then
  return;
end;
$$;

-- When calling hours are open by the clock on one zone's wall, from p_from to p_to. A window belongs to the day it
-- starts, also over midnight, and does not take place if that day is a holiday. What the clock shows decides: an hour
-- that it shows twice is open twice, and one that it leaves out is never. Windows that touch are one.
create or replace function batchline.zone_windows(p_hours jsonb, p_time_zone text, p_from timestamptz, p_to timestamptz)
returns tstzmultirange
language sql stable set search_path = '' set jit = off
as $$
  with day as (
    select day::date as day, (array['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'])[extract(isodow from day)] as name
    from generate_series(p_from at time zone 'UTC' - interval '3 days', p_to at time zone 'UTC' + interval '2 days', '1 day')
      as day
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
  from batchline.offset_spans(p_time_zone, p_from, p_to) as offsets
  cross join wall;
$$;

-- When a call may begin, from p_from to p_to: while the hours are open in every one of the zones, but not in a window's
-- last minute, so that nobody's telephone rings when it has closed. closes_at is no longer in it. Hours that are null
-- are always open. No zone, or one that the database does not know, is never open; a zone that the hours name counts
-- alone.
create or replace function batchline.calling_windows(
  p_hours jsonb, p_time_zones text[], p_from timestamptz, p_to timestamptz
)
returns table (opens_at timestamptz, closes_at timestamptz)
language sql stable rows 10 set search_path = '' set jit = off
as $$
  with zone as (
    -- Three minutes beyond both ends: a window is not over where nobody looks further.
    select batchline.zone_windows(p_hours, name, p_from - interval '3 min', p_to + interval '3 min') as windows
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

revoke all on function
  batchline.calling_windows(jsonb, text[], timestamptz, timestamptz),
  batchline.offset_spans(text, timestamptz, timestamptz),
  batchline.zone_windows(jsonb, text, timestamptz, timestamptz)
from public, anon, authenticated;
grant execute on function
  batchline.calling_windows(jsonb, text[], timestamptz, timestamptz),
  batchline.offset_spans(text, timestamptz, timestamptz),
  batchline.zone_windows(jsonb, text, timestamptz, timestamptz)
to service_role;
