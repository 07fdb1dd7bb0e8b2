-- What a batch still has ahead of it: when it will have been called through, and which limit decides.
drop function batchline.calling_windows(jsonb, text[], timestamptz, timestamptz);
drop function batchline.zone_windows(jsonb, text, timestamptz, timestamptz);
drop function batchline.offset_spans(text, timestamptz, timestamptz);

grant select (provider_concurrent_calls) on public.agencies to authenticated;

alter table public.call_batch_zones
  add column waiting int not null default 0,  -- contacts that are pending or queued
  add constraint waiting_is_not_negative check (waiting >= 0);

update public.call_batch_zones as zone
set waiting = found.n
from (
  select batch_id, time_zones, count(*) as n
  from public.campaign_contacts where status in ('pending', 'queued')
  group by batch_id, time_zones
) as found
where zone.batch_id = found.batch_id and zone.time_zones = found.time_zones;

-- How many wait in each set of a batch's time zones follows the contacts in the same way.
create function batchline.count_zones()
returns trigger
language plpgsql set search_path = ''
as $$
begin
  if tg_op = 'INSERT' then
    update public.call_batch_zones as zone
    set waiting = zone.waiting + change.n
    from (
      select batch_id, time_zones, count(*) as n
      from new_rows where status in ('pending', 'queued')
      group by batch_id, time_zones
    ) as change
    where zone.batch_id = change.batch_id and zone.time_zones = change.time_zones;
  else
    update public.call_batch_zones as zone
    set waiting = zone.waiting + change.n
    from (
      select batch_id, time_zones, sum(n) as n
      from (
        select batch_id, time_zones, 1 as n from new_rows where status in ('pending', 'queued')
        union all
        select batch_id, time_zones, -1 from old_rows where status in ('pending', 'queued')
      ) as moves
      group by batch_id, time_zones
      having sum(n) <> 0
    ) as change
    where zone.batch_id = change.batch_id and zone.time_zones = change.time_zones;
  end if;
  return null;
end;
$$;

create trigger zones_gained
  after insert on public.campaign_contacts
  referencing new table as new_rows
  for each statement execute function batchline.count_zones();

create trigger zones_changed
  after update on public.campaign_contacts
  referencing old table as old_rows new table as new_rows
  for each statement execute function batchline.count_zones();

revoke all on function batchline.count_zones() from public, anon, authenticated;
grant execute on function batchline.count_zones() to service_role;

-- What readers take for now: the same as clock(), which users may not call, at the start of their statement.
create or replace function public.reading_time()
returns timestamptz
language sql stable set search_path = ''
as $$
  select statement_timestamp() + coalesce(nullif(current_setting('batchline.clock_offset', true), ''), '0')::interval;
$$;

-- The spans of constant UTC offset of a time zone that cover p_from to p_to; none if the database does not know the zone.
-- No further than 70 days from p_from: what every user may ask must not keep the database busy.
-- Offsets are compared day by day, and a change is found by halving: no rule of our time takes one back within a day.
create or replace function public.offset_spans(p_time_zone text, p_from timestamptz, p_to timestamptz)
returns table (span tstzrange, utc_offset interval)
language plpgsql stable rows 2 set search_path = ''
as $$
declare
  v_last timestamptz := least(p_to, p_from + interval '70 days');
  v_end timestamptz := date_trunc('second', v_last) + interval '1 s';  -- offsets change on whole seconds
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
create or replace function public.zone_windows(p_hours jsonb, p_time_zone text, p_from timestamptz, p_to timestamptz)
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

-- When a call may begin, from p_from to p_to: while the hours are open in every one of the zones, but not in a window's
-- last minute, so that nobody's telephone rings when it has closed. closes_at is no longer in it. Hours that are null
-- are always open. No zone, or one that the database does not know, is never open; a zone that the hours name counts
-- alone.
create or replace function public.calling_windows(
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

-- The window in which p_now lies, or the next one. Where holidays leave none for eight days: closed until then.
create or replace function batchline.next_window(
  p_hours jsonb, p_time_zones text[], p_now timestamptz, out opens_at timestamptz, out closes_at timestamptz
)
language plpgsql stable set search_path = ''
as $$
begin
  select found.opens_at, found.closes_at into opens_at, closes_at
  from public.calling_windows(p_hours, p_time_zones, p_now - interval '1 day', p_now + interval '8 days') as found
  where found.closes_at > p_now
  order by found.opens_at
  limit 1;
  if not found then
    opens_at := p_now + interval '8 days';
    closes_at := opens_at;
  end if;
end;
$$;

-- A contact as every answer shows it. Whom calling hours keep waiting is told so here, since nothing is written for it.
create or replace function public.contact_json(p_contact public.campaign_contacts)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_contact.id,
    'phone_number', p_contact.phone_number,
    'first_name', p_contact.first_name,
    'last_name', p_contact.last_name,
    'email', p_contact.email,
    'company', p_contact.company,
    'title', p_contact.title,
    'status', p_contact.status,
    'reason', case when zone.opens_at > greatest(p_contact.next_attempt_at, public.reading_time()) then 'Waits for calling hours'
      else p_contact.reason end,
    'reason_at', public.iso_utc(p_contact.reason_at),
    'call_id', p_contact.call_id,
    'attempts', p_contact.attempts,
    'max_attempts', p_contact.max_attempts,
    'outcome', p_contact.outcome,
    'outcome_notes', p_contact.outcome_notes,
    'duration_seconds', p_contact.duration_seconds,
    'next_attempt_at', public.iso_utc(greatest(p_contact.next_attempt_at, zone.opens_at)),
    'last_attempt_at', public.iso_utc(p_contact.last_attempt_at),
    'completed_at', public.iso_utc(p_contact.completed_at),
    'custom_data', p_contact.custom_data,
    'do_not_call', exists (
      select from public.do_not_call as listed
      where listed.agency_id = p_contact.agency_id and listed.phone_number = p_contact.phone_number
    ),
    'timezone', p_contact.timezone,
    'created_at', public.iso_utc(p_contact.created_at)
  )
  from (values (p_contact.batch_id, p_contact.time_zones)) as queue (batch_id, time_zones)
  left join public.call_batch_zones as zone
    on zone.batch_id = queue.batch_id and zone.time_zones = queue.time_zones and p_contact.status = 'queued';
$$;

-- The calling hours that hold for a contact: its time zones, and the window that is open or next. Null where none hold,
-- or while nobody has looked yet.
create or replace function public.contact_hours(p_contact public.campaign_contacts)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'time_zones', zone.time_zones,
    'opens_at', public.iso_utc(nullif(zone.opens_at, 'infinity')),
    'closes_at', public.iso_utc(nullif(zone.closes_at, 'infinity'))
  )
  from public.call_batch_zones as zone
  where zone.batch_id = p_contact.batch_id and zone.time_zones = p_contact.time_zones;
$$;

-- One batch and a page of its contacts, in list order. A cursor is the position of the last contact shown, so that
-- every page costs the same; the total comes from the counters, not from a count.
create or replace function public.get_call_batch(
  p_batch_id uuid, p_contact_status text, p_contact_limit int, p_contact_offset int, p_contact_cursor bigint
)
returns jsonb
language plpgsql stable
set search_path = '' set enable_seqscan = off set enable_sort = off set plan_cache_mode = force_custom_plan set jit = off
as $$
declare
  v_agency_id uuid := public.my_agency_id();
  v_batch public.v_call_batch_summary;
  v_total int;
  v_contacts jsonb;
  v_last int;
  v_more boolean;
begin
  select * into v_batch from public.v_call_batch_summary where id = p_batch_id and agency_id = v_agency_id;
  if not found then
    raise exception using
      errcode = 'PT404',
      message = 'Batch not found or does not belong to the user''s agency',
      detail = '{"code": "batch_not_found"}';
  end if;
  v_total := coalesce((to_jsonb(v_batch) ->> p_contact_status)::int, v_batch.total_contacts);

  -- One contact more than the page: whether there is more is then known without a second look.
  select coalesce(
           jsonb_agg(public.contact_json(found.contact) order by found.place) filter (where found.place <= p_contact_limit),
           '[]'
         ),
         max((found.contact).position) filter (where found.place <= p_contact_limit),
         coalesce(bool_or(found.place > p_contact_limit), false)
  into v_contacts, v_last, v_more
  from (
    select page.contact, row_number() over (order by (page.contact).position) as place
    from (
      select contact
      from public.campaign_contacts as contact
      where batch_id = p_batch_id
        and (p_contact_status is null or status = p_contact_status)
        and position > coalesce(p_contact_cursor, -1)
      order by contact.position
      limit p_contact_limit + 1 offset case when p_contact_cursor is null then p_contact_offset else 0 end
    ) as page
  ) as found;

  return jsonb_build_object(
    'batch', public.batch_json(v_batch),
    'forecast', public.batch_forecast(p_batch_id, public.reading_time()),
    'contacts', v_contacts,
    'contact_pagination', jsonb_build_object(
      'total', v_total,
      'limit', p_contact_limit,
      'offset', p_contact_offset,
      'has_more', v_more,
      'next_cursor', case when v_more then v_last::text end
    )
  );
end;
$$;

-- How many contacts of a batch are still to be called in each set of time zones. Before the start of a program's batch
-- some have none yet: they will have the batch's.
create or replace function public.forecast_queues(p_batch public.call_batches)
returns jsonb
language sql stable set search_path = '' set jit = off
as $$
  with zone as (
    select time_zones, waiting from public.call_batch_zones where batch_id = p_batch.id and waiting > 0
  ),
  queue as (
    select time_zones, waiting from zone
    union all
    select case when p_batch.calling_hours is null then '{}' else array[p_batch.timezone] end,
           p_batch.pending + p_batch.queued - coalesce((select sum(waiting) from zone), 0)
  )
  select coalesce(
    jsonb_agg(jsonb_build_object('time_zones', to_jsonb(time_zones), 'contacts', waiting)) filter (where waiting > 0), '[]'
  )
  from queue;
$$;

-- The stretches of time from p_from to p_to in which the same queues are open, and which those are, by their place.
create or replace function public.forecast_segments(p_hours jsonb, p_queues jsonb, p_from timestamptz, p_to timestamptz)
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

-- When the last call begins of so many contacts in each set of time zones ([{"time_zones": […], "contacts": 12}]), if
-- p_per_second calls begin as long as somebody may be called: those whose hours are open are called in the measure in
-- which they are on the list. Null: not all of them by p_to.
create or replace function public.forecast_end(
  p_hours jsonb, p_queues jsonb, p_per_second double precision, p_from timestamptz, p_to timestamptz
)
returns timestamptz
language plpgsql stable set search_path = ''
as $$
declare
  v_left double precision[] := array(
    select (queue ->> 'contacts')::double precision
    from jsonb_array_elements(p_queues) with ordinality as listed (queue, id)
    order by id
  );
  v_from timestamptz := p_from;
  v_end timestamptz := p_from;
  v_segment record;
  v_waiting double precision;
  v_share double precision;
begin
  while v_from < p_to loop
    for v_segment in
      select * from public.forecast_segments(p_hours, p_queues, v_from, least(v_from + interval '8 days', p_to))
    loop
      v_waiting := (select sum(v_left[id]) from unnest(v_segment.open) as id);
      continue when v_waiting = 0;
      v_share := least(1, p_per_second * extract(epoch from v_segment.until - v_segment.at) / v_waiting);
      v_end := v_segment.at + make_interval(secs => v_share * v_waiting / p_per_second);
      v_left := array(
        select waiting * case when open.id is null then 1 else 1 - v_share end
        from unnest(v_left) with ordinality as queue (waiting, id)
        left join unnest(v_segment.open) as open (id) on open.id = queue.id
        order by queue.id
      );
      if (select sum(waiting) from unnest(v_left) as waiting) = 0 then
        return v_end;
      end if;
    end loop;
    v_from := v_from + interval '8 days';
  end loop;
  return case when (select coalesce(sum(waiting), 0) from unnest(v_left) as waiting) = 0 then v_end end;
end;
$$;

-- How many calls of a batch can begin in a second, which limit allows no more, and how long a call takes: the mean of
-- the agency's last 50 that ended, a minute before there are 20. What the agency's plan leaves to the batch is its equal
-- share among those that are being dialled, or what the others cannot use.
create or replace function public.forecast_rate(
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

-- When a batch will have been called through at the earliest, as its list, hours and limits are now, and which of them
-- decides; null when it is over. That people are called again who were not reached is not foretold, nor is what rules
-- about a number will hold back.
create or replace function public.batch_forecast(p_batch_id uuid, p_now timestamptz)
returns jsonb
language plpgsql stable
set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_batch public.call_batches;
  v_rate record;
  v_queues jsonb;
  v_from timestamptz;
  v_end timestamptz;
  v_unhindered timestamptz;
begin
  select * into v_batch from public.call_batches where id = p_batch_id;
  if v_batch.status in ('completed', 'failed', 'cancelled') then
    return null;
  end if;
  v_from := greatest(p_now, v_batch.scheduled_for, v_batch.waiting_until);
  v_queues := public.forecast_queues(v_batch);
  v_rate := public.forecast_rate(v_batch);
  if v_batch.status <> 'paused' and v_rate.per_second > 0 then
    v_end := public.forecast_end(
      v_batch.calling_hours, v_queues, v_rate.per_second, v_from, v_from + interval '60 days'
    );
  end if;
  if v_end is null or v_end >= v_batch.ends_at then
    return jsonb_build_object('earliest_completion', null, 'limited_by', 'cannot_finish');
  end if;
  v_unhindered := greatest(p_now, v_batch.scheduled_for) + make_interval(secs => (v_batch.pending + v_batch.queued) / v_rate.per_second);
  return jsonb_build_object(
    'earliest_completion', public.iso_utc(date_trunc('second', v_end + make_interval(secs => v_rate.seconds))),
    'limited_by', case when v_end > v_unhindered + interval '1 minute' then 'calling_hours' else v_rate.limited_by end
  );
end;
$$;

-- One contact and its whole trail, as its agency may read it: its calls, and every decision about it and its batch with
-- time, rule and who, in the order in which they were written.
create or replace function public.get_contact(p_contact_id uuid)
returns jsonb
language plpgsql stable
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set jit = off set plan_cache_mode = force_custom_plan
as $$
declare
  v_agency_id uuid := public.my_agency_id();
  v_contact public.campaign_contacts;
begin
  select * into v_contact from public.campaign_contacts where id = p_contact_id and agency_id = v_agency_id;
  if not found then
    raise exception using
      errcode = 'PT404',
      message = 'Contact not found or does not belong to the user''s agency',
      detail = '{"code": "contact_not_found"}';
  end if;
  return jsonb_build_object(
    'now', public.iso_utc(public.reading_time()),
    'contact', public.contact_json(v_contact) || jsonb_build_object(
      'batch_id', v_contact.batch_id, 'hours', public.contact_hours(v_contact)
    ),
    'batch', (
      select jsonb_build_object(
        'id', batch.id, 'name', batch.name, 'status', batch.status, 'error_message', batch.error_message,
        'scheduled_for', public.iso_utc(batch.scheduled_for), 'waiting_until', public.iso_utc(batch.waiting_until)
      )
      from public.call_batches as batch
      where batch.id = v_contact.batch_id
    ),
    'calls', (
      select coalesce(
        jsonb_agg(
          jsonb_build_object(
            'id', call.id, 'attempt', call.attempt, 'status', call.status, 'outcome', call.outcome,
            'reason', call.reason, 'ultravox_call_id', call.ultravox_call_id,
            'duration_seconds', call.duration_seconds, 'summary', call.summary,
            'began_at', public.iso_utc(call.began_at), 'accepted_at', public.iso_utc(call.accepted_at),
            'joined_at', public.iso_utc(call.joined_at), 'ended_at', public.iso_utc(call.ended_at)
          )
          order by call.created_at, call.id
        ),
        '[]'
      )
      from public.calls as call
      where call.contact_id = v_contact.id
    ),
    'events', (
      select coalesce(
        jsonb_agg(
          jsonb_build_object(
            'at', public.iso_utc(entry.at), 'event', entry.event, 'reason', entry.reason,
            'detail', coalesce(entry.detail, '{}'), 'of_contact', entry.contact_id is not null,
            'call_id', entry.call_id, 'actor', entry.actor
          )
          order by entry.id
        ),
        '[]'
      )
      from (
        select id, at, event, reason, detail, contact_id, call_id, actor
        from public.call_events where contact_id = v_contact.id
        union all
        select id, at, event, reason, detail, contact_id, call_id, actor
        from public.call_events where batch_id = v_contact.batch_id and contact_id is null and batch_id is not null
      ) as entry
    )
  );
end;
$$;

-- Notes when a batch's hours are open in these sets of time zones (each a JSON list), the first time they are met. Hours
-- that are the same for everybody need no note: null is always. Where they never meet, holidays or none, opens_at is
-- infinity.
create or replace function batchline.open_batch_zones(p_batch public.call_batches, p_sets jsonb)
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

-- The database reckons the hours, so a zone must be one that it knows too. Null is none and passes.
create or replace function batchline.require_time_zone(p_name text, p_field text)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
begin
  if p_name is not null and not exists (select from public.offset_spans(p_name, v_now, v_now)) then
    perform batchline.refuse(
      400, 'bad_request', p_field || ' must be a time zone that the database knows, such as America/New_York',
      jsonb_build_object('field', p_field)
    );
  end if;
end;
$$;

-- A batch as the answer to its creation shows it.
create or replace function batchline.created_batch_json(p_batch_id uuid, p_duplicates_removed int)
returns jsonb
language sql volatile set search_path = ''
as $$
  select jsonb_build_object(
    'batch_id', batch.id,
    'status', batch.status,
    'total_contacts', batch.total_contacts,
    'duplicates_removed', p_duplicates_removed,
    'skipped', batch.skipped,
    'agent_mapping_id', batch.agent_mapping_id,
    'agent_name', batch.agent_name,
    'campaign_id', batch.campaign_id,
    'campaign_name', batch.campaign_name,
    'from_number', batch.from_number,
    'calls_per_minute', batch.calls_per_minute,
    'max_concurrent', batch.max_concurrent,
    'scheduled_for', public.iso_utc(batch.scheduled_for),
    'created_at', public.iso_utc(batch.created_at),
    'forecast', public.batch_forecast(batch.id, batchline.clock())
  )
  from public.v_call_batch_summary as batch
  where batch.id = p_batch_id;
$$;

-- One round trip: starts what is due and claims, agency by agency, at most p_limit calls. Answers all that the dials
-- need, and when to come again.
create or replace function batchline.claim_calls(
  p_worker text, p_limit int, p_lease_seconds double precision, p_agency_id uuid default null
)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  v_now timestamptz := batchline.clock();
  v_agencies uuid[] := array(
    select active.id from batchline.active_agencies(v_now) as active (id)
    where p_agency_id is null or active.id = p_agency_id
    order by active.id
  );
  v_agency_id uuid;
  v_calls uuid[] := '{}';
  v_claimed uuid[];
  v_share int;
  v_next timestamptz;
  v_opening record;
  v_waiting boolean := false;
  v_turn int := 0;
begin
  foreach v_agency_id in array v_agencies loop
    -- An equal share of what is left; what one agency does not use is left to those after it. Fractions are drawn by
    -- lot: rounded up, they would always go to the first, and a small p_limit never reach the last.
    v_share := floor((p_limit - cardinality(v_calls))::numeric / (cardinality(v_agencies) - v_turn) + random());
    v_turn := v_turn + 1;
    if not batchline.try_lock_agency(v_agency_id) then
      v_next := least(v_next, batchline.clock() + interval '20 ms');
      continue;
    end if;
    v_next := least(v_next, batchline.start_call_batches(v_agency_id));
    -- One instant for both: a place that opens between two would be neither taken nor foretold.
    v_now := batchline.clock();
    perform batchline.refresh_batch_zones(v_agency_id, v_now);
    select * into v_opening from batchline.next_opening(v_agency_id, v_now);
    v_claimed := '{}';
    if v_share > 0 and v_opening.waiting_for_slot then  -- most agencies wait for their pace at most claims
      v_claimed := batchline.claim_agency_calls(
        v_agency_id, p_worker, v_share, make_interval(secs => p_lease_seconds), v_now
      );
    end if;
    if v_claimed <> '{}' then
      v_calls := v_calls || v_claimed;
      select * into v_opening from batchline.next_opening(v_agency_id, v_now);
    end if;
    perform batchline.note_waiting(v_agency_id, v_now);
    v_next := least(v_next, v_opening.opens_at);
    if cardinality(v_claimed) = v_share and v_opening.waiting_for_slot and v_calls <> '{}' then
      v_next := v_now;  -- it was p_limit that stopped here, not a limit of the agency
    end if;
    v_waiting := v_waiting or v_opening.waiting_for_slot;
  end loop;

  return jsonb_build_object(
    'active', cardinality(v_agencies) > 0,
    'resting', v_calls = '{}' and batchline.all_rest(v_agencies, v_now),
    'calls', batchline.dial_orders(v_calls),
    'next_claim_in', case when v_next is not null then greatest(0, extract(epoch from v_next - batchline.clock())) end,
    'waiting_for_slot', v_waiting
  );
end;
$$;

-- One contact and its whole trail: where it stands, its calls, and every decision about it and its batch in the order
-- in which they were written. Null where there is no such contact (of that agency, where one is named).
-- Planned anew each time, as vitals is.
create or replace function batchline.contact_trail(p_contact_id uuid, p_agency_id uuid default null)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set jit = off
set plan_cache_mode = force_custom_plan
as $$
declare
  v_contact public.campaign_contacts;
begin
  select * into v_contact
  from public.campaign_contacts
  where id = p_contact_id and (p_agency_id is null or agency_id = p_agency_id);
  if not found then
    return null;
  end if;
  return jsonb_build_object(
    'now', public.iso_utc(batchline.clock()),
    'contact', public.contact_json(v_contact) || jsonb_build_object(
      'agency_id', v_contact.agency_id, 'batch_id', v_contact.batch_id, 'hours', public.contact_hours(v_contact)
    ),
    'batch', (
      select jsonb_build_object(
        'id', batch.id, 'name', batch.name, 'status', batch.status, 'error_message', batch.error_message,
        'scheduled_for', public.iso_utc(batch.scheduled_for), 'waiting_until', public.iso_utc(batch.waiting_until),
        'agency_name', agency.name, 'dial_after', public.iso_utc(agency.dial_after)
      )
      from public.call_batches as batch
      join public.agencies as agency on agency.id = batch.agency_id
      where batch.id = v_contact.batch_id
    ),
    'calls', (
      select coalesce(jsonb_agg(batchline.call_json(call) order by call.claimed_at, call.id), '[]')
      from public.calls as call
      where call.contact_id = v_contact.id
    ),
    'events', (
      select coalesce(jsonb_agg(batchline.event_json(found.entry) order by (found.entry).id), '[]')
      from (
        select entry from public.call_events as entry where contact_id = v_contact.id
        union all
        select entry from public.call_events as entry where batch_id = v_contact.batch_id and contact_id is null
      ) as found
    )
  );
end;
$$;

revoke all on function
  public.batch_forecast(uuid, timestamptz),
  public.contact_hours(public.campaign_contacts),
  public.forecast_end(jsonb, jsonb, double precision, timestamptz, timestamptz),
  public.forecast_queues(public.call_batches),
  public.forecast_rate(public.call_batches),
  public.forecast_segments(jsonb, jsonb, timestamptz, timestamptz),
  public.get_contact(uuid),
  public.reading_time()
from public, anon, authenticated;
grant execute on function
  public.batch_forecast(uuid, timestamptz),
  public.contact_hours(public.campaign_contacts),
  public.forecast_end(jsonb, jsonb, double precision, timestamptz, timestamptz),
  public.forecast_queues(public.call_batches),
  public.forecast_rate(public.call_batches),
  public.forecast_segments(jsonb, jsonb, timestamptz, timestamptz),
  public.get_contact(uuid),
  public.reading_time()
to service_role;

revoke all on function
  public.offset_spans(text, timestamptz, timestamptz),
  public.zone_windows(jsonb, text, timestamptz, timestamptz),
  public.calling_windows(jsonb, text[], timestamptz, timestamptz)
from public, anon, authenticated;
grant execute on function
  public.offset_spans(text, timestamptz, timestamptz),
  public.zone_windows(jsonb, text, timestamptz, timestamptz),
  public.calling_windows(jsonb, text[], timestamptz, timestamptz)
to service_role;
grant execute on function
  public.offset_spans(text, timestamptz, timestamptz),
  public.zone_windows(jsonb, text, timestamptz, timestamptz),
  public.calling_windows(jsonb, text[], timestamptz, timestamptz),
  public.forecast_segments(jsonb, jsonb, timestamptz, timestamptz),
  public.forecast_end(jsonb, jsonb, double precision, timestamptz, timestamptz),
  public.forecast_queues(public.call_batches),
  public.forecast_rate(public.call_batches),
  public.batch_forecast(uuid, timestamptz),
  public.contact_hours(public.campaign_contacts),
  public.get_contact(uuid),
  public.reading_time()
to authenticated;
