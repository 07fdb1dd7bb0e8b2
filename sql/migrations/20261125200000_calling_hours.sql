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
  batch_id uuid not null references public.call_batches (id) on delete cascade,
  time_zones text[] not null,  -- as its contacts have them
  agency_id uuid not null references public.agencies (id),
  opens_at timestamptz not null,  -- from then until closes_at calls may begin; nothing may before
  closes_at timestamptz not null,  -- what follows is found out when it has passed
  created_at timestamptz not null default batchline.clock(),
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

-- The window in which p_now lies, or the next one. Where holidays leave none for eight days: closed until then.
create or replace function batchline.next_window(
  p_hours jsonb, p_time_zones text[], p_now timestamptz, out opens_at timestamptz, out closes_at timestamptz
)
language plpgsql stable set search_path = ''
as $$
begin
  select found.opens_at, found.closes_at into opens_at, closes_at
  from batchline.calling_windows(p_hours, p_time_zones, p_now - interval '1 day', p_now + interval '8 days') as found
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
    'reason', case when zone.opens_at > greatest(p_contact.next_attempt_at, now()) then 'Waits for calling hours'
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

-- The time zones in which a batch's hours must be open for a contact that was sent with these; null: none is known.
create or replace function batchline.contact_zones(p_hours jsonb, p_time_zones jsonb)
returns text[]
language sql immutable set search_path = ''
as $$
  select case
    when p_hours is null then '{}'
    when p_hours ->> 'timezone' <> 'recipient' then array[p_hours ->> 'timezone']
    else (select array_agg(name order by name) from jsonb_array_elements_text(nullif(p_time_zones, 'null')) as zone (name))
  end;
$$;

create or replace function batchline.never_open_note(p_time_zones text[])
returns text
language sql immutable set search_path = ''
as $$
  select 'Calling hours never come at the same time in ' || case
    when cardinality(p_time_zones) > 3 then format('the %s time zones that the number may be in', cardinality(p_time_zones))
    else array_to_string(p_time_zones, ' and ')
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
      select from batchline.calling_windows(
        p_batch.calling_hours - 'holidays', missing.time_zones, batchline.clock(), batchline.clock() + interval '8 days'
      )
    ) as opens
  ) as ever
  where p_batch.calling_hours is not null and missing.time_zones is not null
  on conflict do nothing;
$$;

-- What follows the windows that have closed, for the processing batches of an agency whose lock is held. The same hours
-- and zones are reckoned once, however many batches have them.
create or replace function batchline.refresh_batch_zones(p_agency_id uuid, p_now timestamptz)
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

-- pending -> queued, at the start of their batch. Only now it is settled where numbers without a time zone are: a
-- program may change its batch's zone until then.
create or replace function batchline.start_contacts(p_batch_id uuid)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  select * into v_batch from public.call_batches where id = p_batch_id;
  if v_batch.campaign_id is null then
    perform batchline.open_batch_zones(v_batch, jsonb_build_array(jsonb_build_array(v_batch.timezone)));
  end if;
  update public.campaign_contacts
  set status = 'queued', next_attempt_at = v_batch.started_at, time_zones = coalesce(time_zones, array[v_batch.timezone])
  where batch_id = p_batch_id and status = 'pending';
end;
$$;

-- Stores a list, in its order. Who can never be called is kept as skipped, so that the report is whole: numbers on the
-- do-not-call list, those of no known time zone, and those in whose zones the hours never meet. A program's batch (it
-- has no campaign) has a time zone for the numbers that have none.
create or replace function batchline.add_contacts(p_batch public.call_batches, p_contacts jsonb, p_status text)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_fallback text[] := case when p_batch.campaign_id is null then array[p_batch.timezone] end;
  v_sets jsonb := (
    select coalesce(jsonb_agg(distinct coalesce(contact -> 'time_zones', 'null')), '[]')
    from jsonb_array_elements(p_contacts) as list (contact)
  );
begin
  perform batchline.open_batch_zones(p_batch, v_sets);
  with zone_set as materialized (
    select zones, coalesce(
      batchline.contact_zones(p_batch.calling_hours, zones), case when p_status = 'queued' then v_fallback end
    ) as time_zones
    from jsonb_array_elements(v_sets) as given (zones)
  ),
  listing as (
    select list.contact, p_batch.total_contacts + list.ordinality - 1 as position, zone_set.time_zones, case
        when listed.phone_number is not null then 'On the do-not-call list'
        when zone_set.time_zones is null and v_fallback is null then 'No time zone known; send `timezone`'
        when zone.opens_at = 'infinity' then batchline.never_open_note(zone.time_zones)
      end as reason
    from jsonb_array_elements(p_contacts) with ordinality as list (contact, ordinality)
    join zone_set on zone_set.zones = coalesce(list.contact -> 'time_zones', 'null')
    left join public.call_batch_zones as zone
      on zone.batch_id = p_batch.id and zone.time_zones = zone_set.time_zones
    left join public.do_not_call as listed
      on listed.agency_id = p_batch.agency_id and listed.phone_number = list.contact ->> 'phone_number'
  ),
  added as (
    insert into public.campaign_contacts (
      status, agency_id, batch_id, position, phone_number, first_name, last_name, email, company, title, timezone,
      custom_data, max_attempts, next_attempt_at, completed_at, reason, reason_at, outcome_notes, time_zones
    )
    select
      case when reason is null then p_status else 'skipped' end, p_batch.agency_id, p_batch.id, position,
      contact ->> 'phone_number', contact ->> 'first_name', contact ->> 'last_name', contact ->> 'email',
      contact ->> 'company', contact ->> 'title', contact ->> 'timezone',
      coalesce(nullif(contact -> 'custom_data', 'null'), '{}'),
      coalesce((contact ->> 'max_attempts')::int, (p_batch.retry ->> 'max_attempts')::int),
      case when reason is null and p_status = 'queued' then v_now end,
      case when reason is not null then v_now end, reason, case when reason is not null then v_now end, reason,
      time_zones
    from listing
    returning id, status, reason
  )
  insert into public.call_events (agency_id, batch_id, contact_id, event, reason)
  select p_batch.agency_id, p_batch.id, added.id, 'skipped', added.reason from added where added.status = 'skipped';
end;
$$;

create or replace function batchline.default_calling_hours()
returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_object(
    'timezone', 'recipient',
    'weekly', (
      select jsonb_object_agg(day, '[["08:00", "21:00"]]'::jsonb)
      from unnest(array['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']) as week (day)
    ),
    'holidays', '[]'::jsonb
  );
$$;

-- The database reckons the hours, so a zone must be one that it knows too. Null is none and passes.
create or replace function batchline.require_time_zone(p_name text, p_field text)
returns void
language plpgsql stable set search_path = ''
as $$
begin
  if p_name is not null and not exists (select from batchline.offset_spans(p_name, now(), now())) then
    perform batchline.refuse(
      400, 'bad_request', p_field || ' must be a time zone that the database knows, such as America/New_York',
      jsonb_build_object('field', p_field)
    );
  end if;
end;
$$;

-- One batch with its contacts, in one transaction. The contacts come normalised, valid and without duplicates.
create or replace function batchline.create_call_batch(p_user_id uuid, p_batch jsonb, p_once jsonb default null)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_answer jsonb := batchline.recall_answer(v_user.agency_id, 'calls-batch-create', p_once);
  v_start_at timestamptz;
  v_agency public.agencies;
  v_agent public.agent_mappings;
  v_campaign public.campaigns;
  v_hours jsonb;
  v_batch public.call_batches;
begin
  if v_answer is not null then
    return v_answer;
  end if;
  v_start_at := batchline.start_time((p_batch ->> 'scheduled_for')::timestamptz, 'scheduled_for');
  select * into v_agency from public.agencies where id = v_user.agency_id;
  v_agent := batchline.require_agent(v_agency.id, (p_batch ->> 'agent_mapping_id')::uuid);
  v_campaign := batchline.require_campaign(v_agency.id, (p_batch ->> 'campaign_id')::uuid);
  perform batchline.require_number(v_agency.id, p_batch ->> 'from_number');
  -- JSON's null turns the hours off; what is not there at all leaves them to the campaign, or the default.
  v_hours := nullif(
    coalesce(p_batch -> 'calling_hours', v_campaign.calling_hours, batchline.default_calling_hours()), 'null'
  );
  perform batchline.require_time_zone(nullif(v_hours ->> 'timezone', 'recipient'), 'calling_hours.timezone');
  perform batchline.require_pace(
    v_agency, (p_batch ->> 'calls_per_minute')::int, (p_batch ->> 'max_concurrent')::int
  );

  insert into public.call_batches (
    status, agency_id, campaign_id, agent_mapping_id, name, from_number, calls_per_minute, max_concurrent,
    calling_hours, retry, scheduled_for, created_by
  )
  values (
    case when p_batch ->> 'status' = 'draft' then 'draft' when v_start_at is null then 'pending' else 'scheduled' end,
    v_agency.id, v_campaign.id, v_agent.id, p_batch ->> 'name', p_batch ->> 'from_number',
    (p_batch ->> 'calls_per_minute')::int, (p_batch ->> 'max_concurrent')::int,
    v_hours,
    batchline.default_retry()
      || coalesce(v_campaign.retry, '{}')
      || coalesce(nullif(p_batch -> 'retry', 'null'), '{}'),
    v_start_at, v_user.id
  )
  returning * into v_batch;

  perform batchline.log_batch_event(v_batch, 'created', p_actor => v_user.id);
  perform batchline.add_contacts(v_batch, p_batch -> 'contacts', 'pending');
  return batchline.keep_answer(
    v_agency.id, 'calls-batch-create', p_once,
    batchline.created_batch_json(v_batch.id, coalesce((p_batch ->> 'duplicates_removed')::int, 0))
  );
end;
$$;

-- The queues of an agency's processing batches: one for each set of time zones, with the window that is open or next.
create or replace function batchline.batch_queues(p_agency_id uuid)
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

-- What a contact is told that a rule about its number holds back. It names no time: one event for each change of reason.
create or replace function batchline.hold_reason(p_rule text)
returns text
language sql immutable set search_path = ''
as $$
  select case p_rule
    when 'do_not_call' then 'On the do-not-call list'
    when 'max_daily_calls_per_number' then 'Called as often as the agency allows in 24 hours'
    when 'minutes_between_batches' then 'Called for another batch a short while ago'
  end;
$$;

-- What forbids a call to a number now, and until when; nothing where it may be called. Calls of the last 24 hours count
-- from their beginning, whoever placed them: past calls that were imported too, but none that was certainly not placed.
-- One that is only claimed begins now. Of do_not_call and live_call the end is not known: until is null.
-- created_at leads the index to what is recent; it is older than the beginning by a lease at most.
create or replace function batchline.number_hold(
  p_agency public.agencies, p_number text, p_batch_id uuid, p_now timestamptz, p_call_id uuid default null,
  out rule text, out until timestamptz
)
language plpgsql stable set search_path = ''
as $$
declare
  v_capped_until timestamptz;
  v_spaced_until timestamptz;
begin
  if (select count(*) from public.do_not_call where agency_id = p_agency.id and phone_number = p_number) > 0 then
    rule := 'do_not_call';
    return;
  end if;
  select (array_agg(recent.at order by recent.at desc))[p_agency.max_daily_calls_per_number] + interval '24 hours',
         max(recent.at) filter (where recent.batch_id is distinct from p_batch_id and not recent.claimed)
           + make_interval(mins => p_agency.minutes_between_batches)
  into v_capped_until, v_spaced_until
  from (
    select call.batch_id, call.status = 'claimed' as claimed,
           coalesce(call.began_at, case when call.contact_id is null then call.accepted_at else p_now end) as at
    from public.calls as call
    where call.agency_id = p_agency.id and call.to_number = p_number
      and call.created_at > p_now - interval '25 hours'
      and call.status <> 'not_placed' and call.id is distinct from p_call_id
  ) as recent;
  select held.rule, held.until into rule, until
  from (
    values ('max_daily_calls_per_number', v_capped_until),
           ('minutes_between_batches', v_spaced_until)
  ) as held (rule, until)
  where held.until > p_now
  order by held.until desc
  limit 1;
  if not found and (
    select count(*)
    from public.calls as call
    where call.agency_id = p_agency.id and call.to_number = p_number and call.is_live
      and call.id is distinct from p_call_id
  ) > 0 then
    rule := 'live_call';
  end if;
end;
$$;

-- When hours and rules let the first of each queue be dialled, and whether it is they that it waits for.
create or replace function batchline.queue_openings(p_agency_id uuid, p_now timestamptz)
returns table (batch_id uuid, opens_at timestamptz, held boolean)
language sql stable rows 50 set search_path = ''
as $$
  select queue.batch_id, greatest(queue.opens_at, first.next_attempt_at),
         queue.opens_at > greatest(p_now, first.next_attempt_at)
           or first.reason in (
             batchline.hold_reason('max_daily_calls_per_number'), batchline.hold_reason('minutes_between_batches')
           )
  from batchline.batch_queues(p_agency_id) as queue
  cross join lateral (
    select queued.next_attempt_at, queued.reason
    from public.campaign_contacts as queued
    where queued.batch_id = queue.batch_id and queued.time_zones = queue.time_zones and queued.status = 'queued'
    order by queued.next_attempt_at, queued.position
    limit 1
  ) as first;
$$;

-- Decides which contacts of one agency are dialled now, under the agency's lock; p_now was read after taking it.
-- Fair among batches: places go one at a time to the batch that has begun the fewest in the last minute.
-- Who may not be called at the head of a queue is set aside, and more are looked at in their stead, so many at a claim.
create or replace function batchline.claim_agency_calls(
  p_agency_id uuid, p_worker text, p_limit int, p_lease interval, p_now timestamptz
)
returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_more int;
  v_free uuid[];
  v_held jsonb;
  v_passed_over boolean;
  v_calls uuid[];
begin
  foreach v_more in array array[0, 50, 100, 200] loop
    select array_agg(one.contact_id order by one.turn, one.batch_id) filter (where one.rule is null),
           jsonb_agg(to_jsonb(one)) filter (where one.rule <> 'live_call'),
           coalesce(bool_or(one.rule is not null), false)
    into v_free, v_held, v_passed_over
    from batchline.dial_candidates(p_agency_id, p_now, p_limit, v_more) as one;
    perform batchline.set_aside(p_agency_id, v_held, p_now);
    exit when not v_passed_over;
  end loop;

  with claimed as (
    insert into public.calls (
      status, agency_id, batch_id, contact_id, agent_mapping_id, to_number, from_number, attempt,
      max_duration_seconds, claimed_by, claimed_at, claimed_until
    )
    select 'claimed', p_agency_id, batch.id, contact.id, batch.agent_mapping_id, contact.phone_number,
           batch.from_number, contact.attempts + 1, agent.max_duration_seconds, p_worker, p_now, p_now + p_lease
    from unnest(v_free) with ordinality as picked (id, turn)
    join public.campaign_contacts as contact on contact.id = picked.id
    join public.call_batches as batch on batch.id = contact.batch_id
    join public.agent_mappings as agent on agent.id = batch.agent_mapping_id
    order by picked.turn
    returning *
  ),
  logged as (
    insert into public.call_events (agency_id, batch_id, contact_id, call_id, event)
    select agency_id, batch_id, contact_id, id, 'claimed' from claimed
  )
  select coalesce(array_agg(id), '{}') into v_calls from claimed;

  -- The batch rows last, by id: webhooks start at them and must not wait for a whole claim.
  perform batchline.lock_batches(array(select distinct batch_id from public.calls where id = any (v_calls)));
  update public.campaign_contacts as contact
  set status = 'in_progress',
      attempts = contact.attempts + 1,
      call_id = call.id,
      next_attempt_at = null,
      last_attempt_at = p_now,
      reason = 'Calling',
      reason_at = p_now
  from public.calls as call
  where call.id = any (v_calls) and contact.id = call.contact_id;
  return v_calls;
end;
$$;

-- Who may be dialled now, in the order in which the agency's batches take turns, and who at the head of an open queue may
-- not, with the rule. Of each batch as many are looked at as may begin now, and p_more: what a claim costs does not
-- depend on who else waits.
create or replace function batchline.dial_candidates(p_agency_id uuid, p_now timestamptz, p_limit int, p_more int)
returns table (contact_id uuid, batch_id uuid, turn bigint, rule text, until timestamptz)
language sql stable set search_path = '' set plan_cache_mode = force_custom_plan
as $$
  with room as materialized (
    select room.*, greatest(0, least(room.room, p_limit)) as places,
           case when room.room > 0 then least(room.room, p_limit) + p_more else 0 end as looks
    from batchline.dial_room(p_agency_id, p_now) as room
  ),
  queue as materialized (
    select * from batchline.batch_queues(p_agency_id) as queue where queue.opens_at <= p_now and queue.closes_at > p_now
  ),
  looked as (
    select first.id, first.phone_number, room.batch_id, room.begun, room.places, first.next_attempt_at, first.position
    from room
    cross join lateral (
      select queued.*
      from queue
      cross join lateral (
        select contact.id, contact.phone_number, contact.next_attempt_at, contact.position
        from public.campaign_contacts as contact
        where contact.batch_id = queue.batch_id and contact.time_zones = queue.time_zones
          and contact.status = 'queued' and contact.next_attempt_at <= p_now
        order by contact.next_attempt_at, contact.position
        limit room.looks
      ) as queued
      where queue.batch_id = room.batch_id
      order by queued.next_attempt_at, queued.position
      limit room.looks
    ) as first
    where room.batch_id is not null
  ),
  judged as (
    select looked.*, hold.rule, hold.until, row_number() over (
        partition by looked.batch_id, hold.rule is null order by looked.next_attempt_at, looked.position
      ) as place
    from looked
    join public.agencies as agency on agency.id = p_agency_id
    cross join lateral batchline.number_hold(agency, looked.phone_number, looked.batch_id, p_now) as hold
  ),
  -- two batches may hold the same number: only one of them calls it now
  one_per_number as (
    select distinct on (judged.phone_number) judged.id, judged.batch_id, judged.begun + judged.place as turn
    from judged
    where judged.rule is null and judged.place <= judged.places
    order by judged.phone_number, judged.begun + judged.place, judged.batch_id
  )
  (
    select free.id, free.batch_id, free.turn, null, null::timestamptz
    from one_per_number as free
    order by free.turn, free.batch_id
    limit (select room.places from room where room.batch_id is null)
  )
  union all
  select judged.id, judged.batch_id, null, judged.rule, judged.until from judged where judged.rule is not null;
$$;

-- Moves contacts that a rule about their number forbids to dial out of the way of those behind them: to the time from
-- which they may be, or to skipped where they never may. The reason is told once, not at every turn.
create or replace function batchline.set_aside(p_agency_id uuid, p_held jsonb, p_now timestamptz)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if p_held is null then
    return;
  end if;
  -- Contacts come after their batches: a webhook may hold a batch and wait for one of these.
  perform batchline.lock_batches(array(select distinct (held ->> 'batch_id')::uuid from jsonb_array_elements(p_held) as held));
  with held as materialized (
    select contact.id, contact.batch_id, contact.reason as reason_before, batchline.hold_reason(one.rule) as reason,
           one.rule, one.until
    from jsonb_to_recordset(p_held) as one (contact_id uuid, rule text, until timestamptz)
    join public.campaign_contacts as contact on contact.id = one.contact_id and contact.status = 'queued'
  ),
  moved as (
    update public.campaign_contacts as contact
    set status = case when held.until is null then 'skipped' else 'queued' end,
        next_attempt_at = held.until,
        completed_at = case when held.until is null then p_now end,
        outcome_notes = case when held.until is null then held.reason else contact.outcome_notes end,
        reason_at = case when held.reason is distinct from held.reason_before then p_now else contact.reason_at end,
        reason = held.reason
    from held
    where contact.id = held.id
    returning contact.id
  )
  insert into public.call_events (agency_id, batch_id, contact_id, event, reason, detail)
  select p_agency_id, held.batch_id, held.id, case when held.until is null then 'skipped' else 'deferred' end, held.reason,
         jsonb_strip_nulls(jsonb_build_object('rule', held.rule, 'until', public.iso_utc(held.until)))
  from held
  join moved using (id)
  where held.reason is distinct from held.reason_before;
end;
$$;

-- When the agency's next call can begin, as far as the clock decides it; waiting_for_slot says that contacts could be
-- dialled now if a call ended (of their batch, of the agency, or to their number). Both empty: nothing is queued.
-- Before its opening nobody waits for a slot, however full the batch is.
create or replace function batchline.next_opening(
  p_agency_id uuid, p_now timestamptz, out opens_at timestamptz, out waiting_for_slot boolean
)
language sql stable set search_path = ''
as $$
  with room as materialized (
    select * from batchline.dial_room(p_agency_id, p_now)
  ),
  opening as (
    select greatest(batch.opens_at, agency.opens_at, queue.opens_at, agencies.dial_after) as opens_at
    from batchline.queue_openings(p_agency_id, p_now) as queue
    join room as batch on batch.batch_id = queue.batch_id
    join room as agency on agency.batch_id is null
    join public.agencies on agencies.id = p_agency_id
  )
  select min(opening.opens_at) filter (where opening.opens_at > p_now),
         coalesce(bool_or(opening.opens_at <= p_now), false)
  from opening;
$$;

-- waiting_until of the agency's batches: when the next contact may be dialled, where calling hours or a rule about the
-- numbers hold contacts back and nobody else can be dialled. The agency's lock is held, the batch rows come last.
create or replace function batchline.note_waiting(p_agency_id uuid, p_now timestamptz)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_news jsonb;
  v_batch public.call_batches;
begin
  select jsonb_object_agg(batch.id, found.until) into v_news
  from public.call_batches as batch
  left join (
    select queue.batch_id, min(queue.opens_at) as until
    from batchline.queue_openings(p_agency_id, p_now) as queue
    group by queue.batch_id
    having min(queue.opens_at) > p_now and bool_or(queue.held)
  ) as found on found.batch_id = batch.id
  where batch.agency_id = p_agency_id and batch.status = 'processing'
    and batch.waiting_until is distinct from found.until;
  if v_news is null then
    return;
  end if;

  perform batchline.lock_batches(array(select jsonb_object_keys(v_news)::uuid));
  for v_batch in
    select * from public.call_batches
    where id = any (array(select jsonb_object_keys(v_news)::uuid)) and status = 'processing'
    order by id
  loop
    update public.call_batches set waiting_until = (v_news ->> v_batch.id::text)::timestamptz where id = v_batch.id;
    if v_batch.waiting_until is null then
      perform batchline.log_batch_event(
        v_batch, 'deferred', 'Nobody may be called now',
        p_detail => jsonb_build_object('until', public.iso_utc((v_news ->> v_batch.id::text)::timestamptz))
      );
    end if;
  end loop;
end;
$$;

-- Whether these agencies can do without a worker until the next run, a minute from now: no call is live, and every batch
-- waits longer than that for its calling hours.
create or replace function batchline.all_rest(p_agency_ids uuid[], p_now timestamptz)
returns boolean
language sql stable set search_path = ''
as $$
  select not exists (
    select from public.call_batches
    where agency_id = any (p_agency_ids)
      and status in ('pending', 'scheduled', 'processing')
      and (status <> 'scheduled' or scheduled_for <= p_now + interval '60 s')
      and (waiting_until is null or waiting_until <= p_now + interval '60 s')
  ) and not exists (
    select from public.calls where agency_id = any (p_agency_ids) and is_live
  );
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

-- Null where the call may begin. The claim has looked a moment ago which hours are open: its notes serve here.
create or replace function batchline.why_not_begun(p_call public.calls, p_now timestamptz)
returns text
language sql stable set search_path = ''
as $$
  select case
    when p_call.claimed_until <= p_now then 'the lease was over'
    when batch.status <> 'processing' then 'the batch is ' || batch.status
    when hold.rule = 'do_not_call' then 'the number is on the do-not-call list'
    when hold.rule is not null then 'the number was called too often or too lately'
    when batch.calling_hours is not null and (
      select count(*)
      from public.call_batch_zones as zone
      where zone.batch_id = batch.id and zone.time_zones = contact.time_zones
        and zone.opens_at <= p_now and zone.closes_at > p_now
    ) = 0 then 'calling hours are over'
  end
  from public.call_batches as batch
  join public.agencies as agency on agency.id = batch.agency_id
  join public.campaign_contacts as contact on contact.id = p_call.contact_id
  cross join lateral batchline.number_hold(agency, p_call.to_number, batch.id, p_now, p_call.id) as hold
  where batch.id = p_call.batch_id;
$$;

-- create_call_batch for programs. The id comes from outside, since the list is in object storage under it by now.
create or replace function batchline.create_batch_call(
  p_api_key text, p_secret_hash text, p_batch jsonb, p_once jsonb default null
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_key public.api_keys := batchline.require_api_key(p_api_key, p_secret_hash, true);
  v_answer jsonb := batchline.recall_answer(v_key.agency_id, 'batch-call-create', p_once);
  v_start record;
  v_agency public.agencies;
  v_agent public.agent_mappings;
  v_batch public.call_batches;
begin
  if v_answer is not null then
    return v_answer;
  end if;
  select * into v_start from batchline.batch_call_start(
    p_batch ->> 'status', (p_batch ->> 'scheduled_for')::timestamptz, (p_batch ->> 'send_now')::boolean
  );
  select * into v_agency from public.agencies where id = v_key.agency_id;
  v_agent := batchline.require_agent(v_agency.id, (p_batch ->> 'agent_mapping_id')::uuid, 'agent_id');
  perform batchline.require_number(v_agency.id, p_batch ->> 'from_number');
  perform batchline.require_time_zone(p_batch ->> 'timezone', 'timezone');

  insert into public.call_batches (
    id, status, agency_id, agent_mapping_id, name, from_number, calls_per_minute, max_concurrent, calling_hours, retry,
    scheduled_for, timezone, tasks_object, created_by
  )
  values (
    (p_batch ->> 'id')::uuid, v_start.status, v_agency.id, v_agent.id, p_batch ->> 'name', p_batch ->> 'from_number',
    v_agency.default_calls_per_minute, v_agency.default_max_concurrent,
    batchline.default_calling_hours(), batchline.default_retry(), v_start.start_at, p_batch ->> 'timezone', p_batch ->> 'tasks_object', v_key.created_by
  )
  returning * into v_batch;
  perform batchline.log_batch_event(v_batch, 'created', 'API key ' || v_key.name, v_key.created_by);
  perform batchline.add_contacts(v_batch, p_batch -> 'contacts', 'pending');
  select * into v_batch from public.call_batches where id = v_batch.id;
  return batchline.keep_answer(
    v_agency.id, 'batch-call-create', p_once,
    batchline.batch_call_json(v_batch)
      || jsonb_build_object('created_by', v_key.created_by, 'session_id', p_batch ->> 'session_id')
  );
end;
$$;

-- What is given is changed: the name until the end, the rest while the batch is a draft or scheduled.
-- draft <-> scheduled, draft, scheduled -> pending.
create or replace function batchline.update_batch_call(
  p_api_key text, p_secret_hash text, p_batch_id uuid, p_changes jsonb
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_key public.api_keys := batchline.require_api_key(p_api_key, p_secret_hash, true);
  v_batch public.call_batches := batchline.require_batch_call(v_key.agency_id, p_batch_id);
  v_new public.call_batches := jsonb_populate_record(v_batch, p_changes - '{status,send_now}'::text[]);
  v_send_now boolean := coalesce((p_changes ->> 'send_now')::boolean, false);
begin
  if v_batch.status in ('completed', 'failed', 'cancelled') then
    perform batchline.refuse(400, 'batch_call_final', 'Batch call has ended and cannot be changed');
  elsif v_batch.status not in ('draft', 'scheduled') and p_changes - 'name' <> '{}' then
    perform batchline.refuse(400, 'batch_call_started', 'Batch call has started: only its name can be changed');
  end if;
  if p_changes ? 'agent_mapping_id' then
    perform batchline.require_agent(v_key.agency_id, v_new.agent_mapping_id, 'agent_id');
  end if;
  perform batchline.require_time_zone(p_changes ->> 'timezone', 'timezone');
  if p_changes ?| '{status,scheduled_for,send_now}' then
    select start.status, start.start_at into v_new.status, v_new.scheduled_for
    from batchline.batch_call_start(
      coalesce(p_changes ->> 'status', case when not v_send_now then v_batch.status end),
      v_new.scheduled_for, v_send_now
    ) as start;
  end if;

  update public.call_batches
  set status = v_new.status, name = v_new.name, scheduled_for = v_new.scheduled_for, timezone = v_new.timezone,
      agent_mapping_id = v_new.agent_mapping_id, edited_at = batchline.clock()
  where id = p_batch_id and status = v_batch.status
  returning * into v_batch;
  perform batchline.log_batch_event(v_batch, 'edited', 'API key ' || v_key.name, v_key.created_by);
  return batchline.batch_call_json(v_batch);
end;
$$;

revoke all on function
  batchline.all_rest(uuid[], timestamptz),
  batchline.batch_queues(uuid),
  batchline.calling_windows(jsonb, text[], timestamptz, timestamptz),
  batchline.contact_zones(jsonb, jsonb),
  batchline.default_calling_hours(),
  batchline.dial_candidates(uuid, timestamptz, int, int),
  batchline.hold_reason(text),
  batchline.never_open_note(text[]),
  batchline.next_window(jsonb, text[], timestamptz),
  batchline.note_waiting(uuid, timestamptz),
  batchline.number_hold(public.agencies, text, uuid, timestamptz, uuid),
  batchline.offset_spans(text, timestamptz, timestamptz),
  batchline.open_batch_zones(public.call_batches, jsonb),
  batchline.queue_openings(uuid, timestamptz),
  batchline.refresh_batch_zones(uuid, timestamptz),
  batchline.require_time_zone(text, text),
  batchline.set_aside(uuid, jsonb, timestamptz),
  batchline.zone_windows(jsonb, text, timestamptz, timestamptz)
from public, anon, authenticated;
grant execute on function
  batchline.all_rest(uuid[], timestamptz),
  batchline.batch_queues(uuid),
  batchline.calling_windows(jsonb, text[], timestamptz, timestamptz),
  batchline.contact_zones(jsonb, jsonb),
  batchline.default_calling_hours(),
  batchline.dial_candidates(uuid, timestamptz, int, int),
  batchline.hold_reason(text),
  batchline.never_open_note(text[]),
  batchline.next_window(jsonb, text[], timestamptz),
  batchline.note_waiting(uuid, timestamptz),
  batchline.number_hold(public.agencies, text, uuid, timestamptz, uuid),
  batchline.offset_spans(text, timestamptz, timestamptz),
  batchline.open_batch_zones(public.call_batches, jsonb),
  batchline.queue_openings(uuid, timestamptz),
  batchline.refresh_batch_zones(uuid, timestamptz),
  batchline.require_time_zone(text, text),
  batchline.set_aside(uuid, jsonb, timestamptz),
  batchline.zone_windows(jsonb, text, timestamptz, timestamptz)
to service_role;
