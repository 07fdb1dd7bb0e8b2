-- The first schema: everything in sql/schema/, in its order.

-- Nouns live in public, where Supabase clients expect them; verbs live here, and only service_role may use them.
create schema batchline;

comment on schema batchline is
  'The verbs of Batchline: one function per transition, the only writers. Lock order, everywhere: the agency''s '
  'advisory lock, then batch rows by id, then contacts, then calls; a function that serves several agencies finishes '
  'one before it starts the next, by id.';

revoke all on schema batchline from public;

-- What every request and every turn calls reads by index alone (enable_seqscan = off and the like): a young table has no
-- statistics, and a plan made for it is kept when it has grown. jit = off goes with it: before PostgreSQL 18 a forbidden
-- step that cannot be avoided counts as dear, and dear plans are compiled, for 110 ms.

-- Volatile and read when called: a transaction's now() is too old after waiting for a lock.
-- Functions take it once into a variable, because an index cannot serve a volatile expression.
create function batchline.clock()
returns timestamptz
language sql volatile set search_path = ''
as $$
  select clock_timestamp() + coalesce(nullif(current_setting('batchline.clock_offset', true), ''), '0')::interval;
$$;

comment on function batchline.clock() is
  'The one clock of all decisions. Tests move it with the setting batchline.clock_offset (an interval).';

-- ISO 8601 in UTC with Z, with a fraction only where there is one: what every answer carries.
create function public.iso_utc(p_time timestamptz)
returns text
language sql immutable set search_path = ''
as $$
  select regexp_replace(to_char(p_time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '\.?0{1,6}$', '') || 'Z';
$$;

-- PostgREST answers SQLSTATE PTxyz with status xyz; the sentence goes to the client as it is, the members of p_extra too.
create function batchline.refuse(p_status int, p_code text, p_sentence text, p_extra jsonb default '{}')
returns void
language plpgsql set search_path = ''
as $$
begin
  raise exception using
    errcode = 'PT' || p_status,
    message = p_sentence,
    detail = (jsonb_build_object('code', p_code) || p_extra)::text;
end;
$$;

create table public.agencies (
  id uuid primary key default gen_random_uuid(),
  public_id text not null default substr(replace(gen_random_uuid()::text, '-', ''), 1, 20),
  name text not null,
  max_calls_per_minute int not null default 60,
  max_concurrent_calls int not null default 100,
  provider_concurrent_calls int,  -- what the provider's account allows; null = it names no cap
  account_checked_at timestamptz,
  dial_after timestamptz,  -- the provider asked for a pause (Retry-After)
  created_at timestamptz not null default batchline.clock(),
  constraint agencies_public_id_is_unique unique (public_id),
  constraint agency_pace_is_positive check (max_calls_per_minute > 0 and max_concurrent_calls > 0),
  constraint provider_cap_is_not_negative check (provider_concurrent_calls >= 0)
);
comment on table public.agencies is 'The tenant. Every row of every other table belongs to one.';

create table public.users (
  id uuid primary key references auth.users (id) on delete cascade,
  agency_id uuid references public.agencies (id),
  role text not null,
  email text not null,
  full_name text,
  created_at timestamptz not null default batchline.clock(),
  constraint user_role_is_known check (
    role in ('agency_owner', 'agency_admin', 'agency_member', 'client_admin', 'client_viewer', 'admin')
  )
);
comment on table public.users is 'A person of an agency; role and agency are read here at every request, never from the token.';
create index users_agency_idx on public.users (agency_id);

create table public.campaigns (
  id uuid primary key default gen_random_uuid(),
  agency_id uuid not null references public.agencies (id),
  name text not null,
  calling_hours jsonb,
  retry jsonb,
  created_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default batchline.clock(),
  constraint campaign_retry_is_an_object check (jsonb_typeof(retry) = 'object')
);
comment on table public.campaigns is 'A named group of batches and contacts, with defaults for both.';
create index campaigns_agency_idx on public.campaigns (agency_id, created_at desc);
create index campaigns_created_by_idx on public.campaigns (created_by);

create table public.agent_mappings (
  id uuid primary key default gen_random_uuid(),
  agency_id uuid not null references public.agencies (id),
  name text not null,
  ultravox_agent_id text not null,
  max_duration_seconds int not null default 3600,
  recording_enabled boolean not null default false,
  active boolean not null default true,
  created_at timestamptz not null default batchline.clock(),
  constraint agent_mapping_is_unique_per_agency unique (agency_id, ultravox_agent_id),
  constraint max_duration_is_positive check (max_duration_seconds > 0)
);
comment on table public.agent_mappings is 'The agency''s voice agent: our id for a provider agent.';

create table public.agency_phone_numbers (
  id uuid primary key default gen_random_uuid(),
  agency_id uuid not null references public.agencies (id),
  phone_number text not null,
  provider text not null default 'twilio',
  sip_domain text,
  active boolean not null default true,
  created_at timestamptz not null default batchline.clock(),
  constraint phone_number_is_unique_per_agency unique (agency_id, phone_number),
  constraint phone_number_is_e164 check (phone_number ~ '^\+[1-9][0-9]{6,14}$'),
  constraint provider_is_known check (provider in ('twilio', 'telnyx', 'plivo', 'sip')),
  constraint sip_domain_exactly_for_sip check ((provider = 'sip') = (sip_domain is not null))
);
comment on table public.agency_phone_numbers is 'Caller ids, and the carrier the provider dials through.';

create table public.do_not_call (
  agency_id uuid not null references public.agencies (id),
  phone_number text not null,
  reason text,
  added_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default batchline.clock(),
  primary key (agency_id, phone_number)
);
comment on table public.do_not_call is 'Numbers an agency never dials.';
create index do_not_call_added_by_idx on public.do_not_call (added_by);

create table public.call_batches (
  id uuid primary key default gen_random_uuid(),
  status text not null default 'pending',  -- near the top: it is what an operator looks for in select *
  agency_id uuid not null references public.agencies (id),
  campaign_id uuid references public.campaigns (id),
  agent_mapping_id uuid not null references public.agent_mappings (id),
  name text,
  from_number text not null,
  calls_per_minute int not null default 30,
  max_concurrent int not null default 10,
  calling_hours jsonb,
  retry jsonb not null,
  scheduled_for timestamptz,
  total_contacts int not null default 0,
  queued int not null default 0,
  in_progress int not null default 0,
  completed int not null default 0,
  failed int not null default 0,
  skipped int not null default 0,
  pending int generated always as (total_contacts - queued - in_progress - completed - failed - skipped) stored,
  waiting_until timestamptz,
  error_message text,
  created_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default batchline.clock(),
  started_at timestamptz,
  resumed_at timestamptz,
  paused_at timestamptz,
  completed_at timestamptz,
  constraint batch_status_is_known check (
    status in ('draft', 'scheduled', 'pending', 'processing', 'paused', 'completed', 'failed', 'cancelled')
  ),
  constraint paused_at_exactly_while_paused check ((status = 'paused') = (paused_at is not null)),
  constraint completed_at_exactly_when_final check (
    (status in ('completed', 'failed', 'cancelled')) = (completed_at is not null)
  ),
  constraint started_at_unset_before_the_start check (
    status not in ('draft', 'scheduled', 'pending') or started_at is null
  ),
  constraint started_at_set_while_processing check (
    status not in ('processing', 'completed') or started_at is not null
  ),
  constraint scheduled_has_a_time check (status <> 'scheduled' or scheduled_for is not null),
  constraint error_message_when_failed check (status <> 'failed' or error_message is not null),
  constraint batch_pace_is_positive check (calls_per_minute > 0 and max_concurrent > 0),
  constraint counters_are_not_negative check (
    least(pending, queued, in_progress, completed, failed, skipped) >= 0
  ),
  constraint completed_means_nothing_left check (status <> 'completed' or pending + queued + in_progress = 0)
);
comment on table public.call_batches is 'One run over a list of contacts with one agent, one caller id, a pace and a concurrency limit.';
create index call_batches_newest_idx on public.call_batches (agency_id, created_at desc, id desc);
create index call_batches_active_idx on public.call_batches (agency_id, scheduled_for)
  where status in ('pending', 'scheduled', 'processing');
create index call_batches_campaign_idx on public.call_batches (campaign_id);
create index call_batches_agent_mapping_idx on public.call_batches (agent_mapping_id);
create index call_batches_created_by_idx on public.call_batches (created_by);

create table public.campaign_contacts (
  id uuid primary key default gen_random_uuid(),
  status text not null default 'pending',
  agency_id uuid not null references public.agencies (id),
  batch_id uuid not null references public.call_batches (id),
  position int not null,  -- place in the list: people are dialled, and shown, in the order they were sent
  phone_number text not null,
  first_name text,
  last_name text,
  email text,
  company text,
  title text,
  timezone text,
  custom_data jsonb not null default '{}',
  attempts int not null default 0,  -- counted at the claim; taken back when nobody was certainly asked
  max_attempts int not null,
  next_attempt_at timestamptz,
  last_attempt_at timestamptz,
  call_id uuid,  -- the latest call; no foreign key, since calls point here
  outcome text,
  outcome_notes text,
  duration_seconds int,
  reason text,  -- why it is where it is; a final contact always has one
  reason_at timestamptz,
  created_at timestamptz not null default batchline.clock(),
  completed_at timestamptz,
  constraint one_contact_per_number_and_batch unique (batch_id, phone_number),
  constraint one_contact_per_position_and_batch unique (batch_id, position),
  constraint contact_status_is_known check (
    status in ('pending', 'queued', 'in_progress', 'completed', 'failed', 'skipped')
  ),
  constraint contact_outcome_is_known check (
    outcome in ('answered', 'no_answer', 'busy', 'rejected', 'invalid_number', 'dropped', 'error', 'unknown')
  ),
  constraint contact_number_is_e164 check (phone_number ~ '^\+[1-9][0-9]{6,14}$'),
  constraint attempts_within_budget check (attempts between 0 and max_attempts),
  constraint max_attempts_are_sensible check (max_attempts between 1 and 11),
  constraint queued_has_attempts_left check (status <> 'queued' or attempts < max_attempts),
  constraint next_attempt_exactly_while_queued check ((status = 'queued') = (next_attempt_at is not null)),
  constraint in_progress_has_a_call check (status <> 'in_progress' or (call_id is not null and attempts > 0)),
  constraint contact_completed_at_exactly_when_final check (
    (status in ('completed', 'failed', 'skipped')) = (completed_at is not null)
  ),
  constraint final_contact_has_a_reason check (
    status not in ('completed', 'failed', 'skipped') or (reason is not null and reason_at is not null)
  ),
  constraint completed_contact_was_answered check ((status = 'completed') = (outcome is not distinct from 'answered'))
);
comment on table public.campaign_contacts is 'One person on a batch''s list.';
create index campaign_contacts_queue_idx on public.campaign_contacts (batch_id, next_attempt_at, position)
  where status = 'queued';
create index campaign_contacts_status_idx on public.campaign_contacts (batch_id, status, position);
create index campaign_contacts_open_numbers_idx on public.campaign_contacts (agency_id, phone_number)
  where status in ('pending', 'queued');
create index campaign_contacts_agency_idx on public.campaign_contacts (agency_id);

create table public.calls (
  id uuid primary key default gen_random_uuid(),
  status text not null,
  agency_id uuid not null references public.agencies (id),
  batch_id uuid references public.call_batches (id),
  contact_id uuid references public.campaign_contacts (id),  -- null: an imported past call
  agent_mapping_id uuid references public.agent_mappings (id),
  ultravox_call_id uuid,
  to_number text,
  from_number text,
  attempt int,
  max_duration_seconds int,
  claimed_by text,
  claimed_at timestamptz,
  claimed_until timestamptz,  -- the lease of a claimed or dialing call
  began_at timestamptz,  -- from here on the provider may have been asked
  dial_result text,  -- what the dial itself came to, as settle_dials was told
  unknown_at timestamptz,
  asked_at timestamptz,  -- when the provider was last asked about it
  none_at timestamptz,  -- when the provider first said that it knows of no such call
  accepted_at timestamptz,
  joined_at timestamptz,
  ended_at timestamptz,
  news_at timestamptz,  -- when the provider last told us anything
  outcome text,
  end_reason text,
  reason text,
  duration_seconds int,
  billed_duration_seconds int,
  billing_status text,
  short_summary text,
  summary text,
  raw jsonb,  -- the fullest payload seen
  created_at timestamptz not null default batchline.clock(),
  is_live boolean generated always as (
    contact_id is not null and status in ('claimed', 'dialing', 'unknown', 'ringing', 'answered')
  ) stored,
  constraint call_status_is_known check (
    status in ('claimed', 'dialing', 'unknown', 'ringing', 'answered', 'ended', 'not_placed')
  ),
  constraint call_outcome_is_known check (
    outcome in ('answered', 'no_answer', 'busy', 'rejected', 'invalid_number', 'dropped', 'error', 'unknown')
  ),
  constraint dial_result_is_known check (
    dial_result in (
      'accepted', 'number_refused', 'refused', 'throttled', 'account_refused', 'agent_gone', 'unreachable', 'not_sent',
      'unknown'
    )
  ),
  constraint own_call_is_whole check (
    contact_id is null
    or (batch_id is not null and to_number is not null and from_number is not null and claimed_at is not null)
  ),
  constraint lease_exactly_while_claimed_or_dialing check (
    (status in ('claimed', 'dialing')) = (claimed_until is not null)
  ),
  constraint began_at_unset_while_claimed check (status <> 'claimed' or began_at is null),
  constraint began_at_set_once_begun check (
    contact_id is null or status in ('claimed', 'not_placed') or began_at is not null
  ),
  constraint unknown_has_a_time check (status <> 'unknown' or unknown_at is not null),
  constraint accepted_call_has_the_providers_id check (
    status not in ('ringing', 'answered') or ultravox_call_id is not null
  ),
  constraint call_ended_at_exactly_when_ended check ((status = 'ended') = (ended_at is not null)),
  constraint outcome_exactly_when_ended check ((status = 'ended') = (outcome is not null)),
  constraint ultravox_call_is_unique_per_agency unique (agency_id, ultravox_call_id)
);
comment on table public.calls is
  'One attempt to reach one contact, or an imported past call. The row exists before anything is dialled.';
-- Only one at a time: the last word, should every lock above fail.
create unique index calls_one_live_per_contact_idx on public.calls (contact_id) where is_live;
create unique index calls_one_live_per_number_idx on public.calls (agency_id, to_number) where is_live;
create index calls_begun_idx on public.calls (agency_id, began_at) where contact_id is not null and began_at is not null;
create index calls_batch_idx on public.calls (batch_id, began_at);
create index calls_contact_idx on public.calls (contact_id);
create index calls_agent_mapping_idx on public.calls (agent_mapping_id);
-- Only the unique constraint's index is whole and starts with agency_id. With a second one, a plan kept from when the
-- table was small might look a call up by its agency alone.

create table public.call_events (
  id bigint generated always as identity primary key,
  agency_id uuid not null references public.agencies (id),
  batch_id uuid references public.call_batches (id),
  contact_id uuid references public.campaign_contacts (id),
  call_id uuid references public.calls (id),
  event text not null,
  reason text,
  detail jsonb,
  actor uuid references public.users (id) on delete set null,  -- null: the processor or the provider
  at timestamptz not null default batchline.clock(),
  ultravox_call_id uuid,
  payload jsonb,
  constraint event_is_known check (
    event in (
      'created', 'started', 'paused', 'resumed', 'cancelled', 'completed', 'failed',
      'claimed', 'released', 'begun', 'accepted', 'refused', 'throttled', 'unknown', 'asked', 'adopted', 'answered',
      'ended', 'requeued', 'deferred', 'skipped', 'not_placed', 'late_acceptance',
      'call.started', 'call.joined', 'call.ended', 'call.billed'
    )
  ),
  constraint payload_exactly_for_provider_events check ((event like 'call.%') = (payload is not null))
);
comment on table public.call_events is
  'Append-only: every decision about a batch, contact or call with its time and rule, and what the provider told us.';
create index call_events_contact_idx on public.call_events (contact_id, id);
create index call_events_call_idx on public.call_events (call_id);
create index call_events_batch_idx on public.call_events (batch_id, id);
create index call_events_agency_idx on public.call_events (agency_id);
create index call_events_actor_idx on public.call_events (actor);
-- The provider repeats itself: one row for each event of a call.
create unique index call_events_provider_event_idx on public.call_events (agency_id, ultravox_call_id, event)
  where payload is not null;

-- The counters on the batch row follow the contacts by statement triggers, so that no function can forget them:
-- at every commit they equal a GROUP BY. (A row trigger cost 2,997 ms for 20,000 inserts, this one 60.)
create function batchline.count_contacts()
returns trigger
language plpgsql set search_path = ''
as $$
declare
  v_batches uuid[];
  v_statuses text[];
  v_changes int[];
begin
  if tg_op = 'INSERT' then
    select array_agg(batch_id), array_agg(status), array_agg(n) into v_batches, v_statuses, v_changes
    from (select batch_id, status, count(*) as n from new_rows group by batch_id, status) as added;
  else
    select array_agg(batch_id), array_agg(status), array_agg(n) into v_batches, v_statuses, v_changes
    from (
      select batch_id, status, sum(n) as n
      from (
        select batch_id, status, 1 as n from new_rows union all select batch_id, status, -1 from old_rows
      ) as moves
      group by batch_id, status
      having sum(n) <> 0
    ) as moved;
  end if;

  update public.call_batches as batch
  set total_contacts = batch.total_contacts + change.total,
      queued = batch.queued + change.queued,
      in_progress = batch.in_progress + change.in_progress,
      completed = batch.completed + change.completed,
      failed = batch.failed + change.failed,
      skipped = batch.skipped + change.skipped
  from (
    select batch_id,
           sum(n) as total,
           coalesce(sum(n) filter (where status = 'queued'), 0) as queued,
           coalesce(sum(n) filter (where status = 'in_progress'), 0) as in_progress,
           coalesce(sum(n) filter (where status = 'completed'), 0) as completed,
           coalesce(sum(n) filter (where status = 'failed'), 0) as failed,
           coalesce(sum(n) filter (where status = 'skipped'), 0) as skipped
    from unnest(v_batches, v_statuses, v_changes) as moved (batch_id, status, n)
    group by batch_id
  ) as change
  where batch.id = change.batch_id;
  return null;
end;
$$;

create trigger contacts_added
  after insert on public.campaign_contacts
  referencing new table as new_rows
  for each statement execute function batchline.count_contacts();

create trigger contacts_moved
  after update on public.campaign_contacts
  referencing old table as old_rows new table as new_rows
  for each statement execute function batchline.count_contacts();

-- A user reads the rows of their own agency and writes nothing; service_role bypasses row-level security.
-- (select auth.uid()) is evaluated once a statement, not once a row.
create policy users_read_themselves on public.users for select to authenticated
  using (id = (select auth.uid()));

create policy agencies_are_read_by_their_users on public.agencies for select to authenticated
  using (id = (select agency_id from public.users where id = (select auth.uid())));

create policy campaigns_are_read_by_their_agency on public.campaigns for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

create policy agent_mappings_are_read_by_their_agency on public.agent_mappings for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

create policy phone_numbers_are_read_by_their_agency on public.agency_phone_numbers for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

create policy do_not_call_is_read_by_its_agency on public.do_not_call for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

create policy call_batches_are_read_by_their_agency on public.call_batches for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

create policy contacts_are_read_by_their_agency on public.campaign_contacts for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

create policy calls_are_read_by_their_agency on public.calls for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

create policy call_events_are_read_by_their_agency on public.call_events for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

alter table public.agencies enable row level security;
alter table public.users enable row level security;
alter table public.campaigns enable row level security;
alter table public.agent_mappings enable row level security;
alter table public.agency_phone_numbers enable row level security;
alter table public.do_not_call enable row level security;
alter table public.call_batches enable row level security;
alter table public.campaign_contacts enable row level security;
alter table public.calls enable row level security;
alter table public.call_events enable row level security;

create view public.v_call_batch_summary with (security_invoker = true) as
select
  batch.id,
  batch.agency_id,
  batch.campaign_id,
  campaign.name as campaign_name,
  batch.agent_mapping_id,
  agent.name as agent_name,
  batch.name,
  batch.from_number,
  batch.status,
  batch.total_contacts,
  batch.pending,
  batch.queued,
  batch.in_progress,
  batch.completed,
  batch.failed,
  batch.skipped,
  case
    when batch.total_contacts = 0 then 0.0
    else round(100.0 * (batch.completed + batch.failed + batch.skipped) / batch.total_contacts, 1)
  end as progress_percentage,
  batch.total_contacts - (batch.completed + batch.failed + batch.skipped) as remaining_count,
  batch.calls_per_minute,
  batch.max_concurrent,
  batch.scheduled_for,
  batch.waiting_until,
  batch.error_message,
  batch.created_by,
  batch.created_at,
  batch.started_at,
  batch.paused_at,
  batch.completed_at
from public.call_batches as batch
join public.agent_mappings as agent on agent.id = batch.agent_mapping_id
left join public.campaigns as campaign on campaign.id = batch.campaign_id;

comment on view public.v_call_batch_summary is 'Batches with the names and figures a list of them shows.';

-- Reads run as the caller; this is their one way of saying 403. It reads the caller's own row and no other.
create function public.my_agency_id()
returns uuid
language plpgsql stable set search_path = ''
as $$
declare
  v_agency_id uuid := (select agency_id from public.users where id = (select auth.uid()));
begin
  if v_agency_id is null then
    raise exception using
      errcode = 'PT403',
      message = 'User is not associated with an agency',
      detail = '{"code": "no_agency"}';
  end if;
  return v_agency_id;
end;
$$;

-- A batch as every answer shows it.
create function public.batch_json(p_batch public.v_call_batch_summary)
returns jsonb
language sql stable set search_path = ''
as $$
  select to_jsonb(p_batch) || jsonb_build_object(
    'scheduled_for', public.iso_utc(p_batch.scheduled_for),
    'waiting_until', public.iso_utc(p_batch.waiting_until),
    'created_at', public.iso_utc(p_batch.created_at),
    'started_at', public.iso_utc(p_batch.started_at),
    'paused_at', public.iso_utc(p_batch.paused_at),
    'completed_at', public.iso_utc(p_batch.completed_at)
  );
$$;

-- Newest first; same-instant batches by id too, so that paging never repeats or skips.
create function public.list_call_batches(p_status text, p_campaign_id uuid, p_limit int, p_offset int)
returns jsonb
language plpgsql stable
set search_path = '' set enable_seqscan = off set enable_sort = off set plan_cache_mode = force_custom_plan set jit = off
as $$
declare
  v_agency_id uuid := public.my_agency_id();
  v_total bigint;
  v_batches jsonb;
begin
  select count(*) into v_total
  from public.call_batches
  where agency_id = v_agency_id
    and (p_status is null or status = p_status)
    and (p_campaign_id is null or campaign_id = p_campaign_id);

  select coalesce(jsonb_agg(public.batch_json(page) order by page.created_at desc, page.id desc), '[]')
  into v_batches
  from (
    select *
    from public.v_call_batch_summary
    where agency_id = v_agency_id
      and (p_status is null or status = p_status)
      and (p_campaign_id is null or campaign_id = p_campaign_id)
    order by created_at desc, id desc
    limit p_limit offset p_offset
  ) as page;

  return jsonb_build_object(
    'batches', v_batches,
    'pagination', jsonb_build_object(
      'total', v_total,
      'limit', p_limit,
      'offset', p_offset,
      'has_more', p_offset + jsonb_array_length(v_batches) < v_total
    )
  );
end;
$$;

-- A contact as every answer shows it.
create function public.contact_json(p_contact public.campaign_contacts)
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
    'reason', p_contact.reason,
    'reason_at', public.iso_utc(p_contact.reason_at),
    'call_id', p_contact.call_id,
    'attempts', p_contact.attempts,
    'max_attempts', p_contact.max_attempts,
    'outcome', p_contact.outcome,
    'outcome_notes', p_contact.outcome_notes,
    'duration_seconds', p_contact.duration_seconds,
    'next_attempt_at', public.iso_utc(p_contact.next_attempt_at),
    'last_attempt_at', public.iso_utc(p_contact.last_attempt_at),
    'completed_at', public.iso_utc(p_contact.completed_at),
    'custom_data', p_contact.custom_data,
    'do_not_call', exists (
      select from public.do_not_call as listed
      where listed.agency_id = p_contact.agency_id and listed.phone_number = p_contact.phone_number
    ),
    'timezone', p_contact.timezone,
    'created_at', public.iso_utc(p_contact.created_at)
  );
$$;

-- One batch and a page of its contacts, in list order. A cursor is the position of the last contact shown, so that
-- every page costs the same; the total comes from the counters, not from a count.
create function public.get_call_batch(
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

-- The first lock of all. What it guards (slots, pace, "only one at a time") is counted from rows, so the count must
-- be a statement of its own, after the lock: a lock taken inside the counting statement has a snapshot older than
-- itself, and two workers then count the same slots.
create function batchline.lock_agency(p_agency_id uuid)
returns void
language sql volatile set search_path = ''
as $$
  select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('batchline.agency:' || p_agency_id, 0));
$$;

-- The second lock. "no key update", because "update" would wait for the foreign-key locks of every insert into calls.
create function batchline.lock_batches(p_batch_ids uuid[])
returns void
language sql volatile set search_path = ''
as $$
  select from public.call_batches where id = any (p_batch_ids) order by agency_id, id for no key update;
$$;

create function batchline.try_lock_agency(p_agency_id uuid)
returns boolean
language sql volatile set search_path = ''
as $$
  select pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended('batchline.agency:' || p_agency_id, 0));
$$;

create function batchline.log_batch_event(
  p_batch public.call_batches, p_event text, p_reason text default null, p_actor uuid default null
)
returns void
language sql volatile set search_path = ''
as $$
  insert into public.call_events (agency_id, batch_id, event, reason, actor)
  values (p_batch.agency_id, p_batch.id, p_event, p_reason, p_actor);
$$;

create function batchline.log_call_event(
  p_call public.calls, p_event text, p_reason text default null, p_detail jsonb default null
)
returns void
language sql volatile set search_path = ''
as $$
  insert into public.call_events (agency_id, batch_id, contact_id, call_id, event, reason, detail)
  values (p_call.agency_id, p_call.batch_id, p_call.contact_id, p_call.id, p_event, p_reason, p_detail);
$$;

-- Who asks: role and agency as they are now, in the transaction that acts on them.
create function batchline.require_user(p_user_id uuid, p_writes boolean)
returns public.users
language plpgsql stable set search_path = ''
as $$
declare
  v_user public.users;
begin
  select * into v_user from public.users where id = p_user_id;
  if v_user.agency_id is null then
    perform batchline.refuse(403, 'no_agency', 'User is not associated with an agency');
  end if;
  if p_writes and v_user.role not in ('agency_owner', 'agency_admin') then
    perform batchline.refuse(403, 'forbidden', 'User role is not agency_owner or agency_admin');
  end if;
  return v_user;
end;
$$;

-- For a request that is refused before it reaches its verb: 403 still comes before 400.
create function batchline.authorize(p_user_id uuid, p_writes boolean)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object('agency_id', caller.agency_id, 'role', caller.role)
  from batchline.require_user(p_user_id, p_writes) as caller;
$$;

-- The batch of a request, with the agency and the batch row locked in that order.
create function batchline.require_batch(p_agency_id uuid, p_batch_id uuid)
returns public.call_batches
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  perform batchline.lock_agency(p_agency_id);
  select * into v_batch
  from public.call_batches
  where id = p_batch_id and agency_id = p_agency_id
  for no key update;
  if not found then
    perform batchline.refuse(404, 'batch_not_found', 'Batch not found or does not belong to the user''s agency');
  end if;
  return v_batch;
end;
$$;

-- What the contacts of a closed batch are told.
create function batchline.closing_note(p_batch public.call_batches)
returns text
language sql immutable set search_path = ''
as $$
  select case p_batch.status
    when 'cancelled' then 'Batch cancelled'
    when 'failed' then 'Batch failed: ' || p_batch.error_message
    else 'Batch ' || p_batch.status
  end;
$$;

-- The one place that puts a contact back after a call: queued, or final where nothing may follow.
-- p_counted says whether the attempt counts; it does not where nobody was certainly asked.
create function batchline.requeue_contact(
  p_call public.calls, p_at timestamptz, p_counted boolean, p_reason text, p_outcome text default null
)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_batch public.call_batches;
  v_status text;
  v_reason text := p_reason;
begin
  select * into v_batch from public.call_batches where id = p_call.batch_id;

  select case
           when v_batch.status in ('completed', 'failed', 'cancelled') or listed.phone_number is not null then 'skipped'
           when contact.attempts - (not p_counted)::int >= contact.max_attempts then 'failed'
           else 'queued'
         end,
         case
           when v_batch.status in ('completed', 'failed', 'cancelled') then batchline.closing_note(v_batch)
           when listed.phone_number is not null then 'On the do-not-call list'
           else p_reason
         end
  into v_status, v_reason
  from public.campaign_contacts as contact
  left join public.do_not_call as listed using (agency_id, phone_number)
  where contact.id = p_call.contact_id and contact.status = 'in_progress' and contact.call_id = p_call.id;
  if not found then
    return;
  end if;

  update public.campaign_contacts
  set status = v_status,
      attempts = attempts - (not p_counted)::int,
      next_attempt_at = case when v_status = 'queued' then p_at end,
      completed_at = case when v_status <> 'queued' then v_now end,
      outcome = coalesce(p_outcome, outcome),
      outcome_notes = case when v_status <> 'queued' then v_reason else outcome_notes end,
      reason = v_reason,
      reason_at = v_now
  where id = p_call.contact_id;

  perform batchline.log_call_event(
    p_call,
    case v_status when 'queued' then 'requeued' else v_status end,
    v_reason,
    case when v_status = 'queued' then jsonb_build_object('until', public.iso_utc(p_at)) end
  );
end;
$$;

create function batchline.finish_contact(
  p_call public.calls, p_status text, p_outcome text, p_reason text, p_duration_seconds int default null
)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
begin
  update public.campaign_contacts
  set status = p_status,
      outcome = p_outcome,
      outcome_notes = p_reason,
      duration_seconds = p_duration_seconds,
      completed_at = v_now,
      reason = p_reason,
      reason_at = v_now
  where id = p_call.contact_id and status = 'in_progress' and call_id = p_call.id;
  if found then
    perform batchline.log_call_event(p_call, p_status, p_reason);
  end if;
end;
$$;

-- Nothing pending, queued or in progress: completed. Never from cancelled or failed.
create function batchline.complete_batches(p_batch_ids uuid[])
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  for v_batch in
    update public.call_batches
    set status = 'completed', completed_at = batchline.clock(), paused_at = null, waiting_until = null
    where id = any (p_batch_ids)
      and status in ('processing', 'paused')
      and started_at is not null
      and pending + queued + in_progress = 0
    returning *
  loop
    perform batchline.log_batch_event(v_batch, 'completed');
  end loop;
end;
$$;

-- claimed -> not_placed: nobody was asked, so the attempt does not count.
create function batchline.release_call(p_call public.calls, p_at timestamptz, p_reason text)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  update public.calls
  set status = 'not_placed', claimed_until = null, reason = p_reason
  where id = p_call.id and status = 'claimed';
  if found then
    perform batchline.log_call_event(p_call, 'released', p_reason);
    perform batchline.requeue_contact(p_call, p_at, false, p_reason);
  end if;
end;
$$;

create function batchline.release_claimed(p_batch_id uuid, p_reason text)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_call public.calls;
begin
  for v_call in
    select * from public.calls where batch_id = p_batch_id and is_live and status = 'claimed' order by id for update
  loop
    perform batchline.release_call(v_call, batchline.clock(), p_reason);
  end loop;
end;
$$;

-- pending -> queued, at the start of their batch.
create function batchline.start_contacts(p_batch_id uuid)
returns void
language sql volatile set search_path = ''
as $$
  update public.campaign_contacts
  set status = 'queued', next_attempt_at = batch.started_at
  from public.call_batches as batch
  where batch.id = p_batch_id and batch_id = p_batch_id and campaign_contacts.status = 'pending';
$$;

-- Stores a list, in its order. Numbers on the do-not-call list are kept as skipped, so that the report is whole.
create function batchline.add_contacts(p_batch public.call_batches, p_contacts jsonb, p_status text)
returns void
language sql volatile set search_path = ''
as $$
  insert into public.campaign_contacts (
    status, agency_id, batch_id, position, phone_number, first_name, last_name, email, company, title, timezone,
    custom_data, max_attempts, next_attempt_at, completed_at, reason, reason_at, outcome_notes
  )
  select
    case when listed.phone_number is null then p_status else 'skipped' end,
    p_batch.agency_id, p_batch.id, p_batch.total_contacts + listing.ordinality - 1,
    listing.contact ->> 'phone_number', listing.contact ->> 'first_name', listing.contact ->> 'last_name',
    listing.contact ->> 'email', listing.contact ->> 'company', listing.contact ->> 'title',
    listing.contact ->> 'timezone', coalesce(nullif(listing.contact -> 'custom_data', 'null'), '{}'),
    coalesce((listing.contact ->> 'max_attempts')::int, (p_batch.retry ->> 'max_attempts')::int),
    case when listed.phone_number is null and p_status = 'queued' then batchline.clock() end,
    case when listed.phone_number is not null then batchline.clock() end,
    case when listed.phone_number is not null then 'On the do-not-call list' end,
    case when listed.phone_number is not null then batchline.clock() end,
    case when listed.phone_number is not null then 'On the do-not-call list' end
  from jsonb_array_elements(p_contacts) with ordinality as listing (contact, ordinality)
  left join public.do_not_call as listed
    on listed.agency_id = p_batch.agency_id and listed.phone_number = listing.contact ->> 'phone_number';
$$;

create function batchline.default_retry()
returns jsonb
language sql immutable set search_path = ''
as $$
  select '{"max_attempts": 3, "delay_minutes": 15, "growth": 2, "on": ["no_answer", "busy", "dropped", "error"]}'::jsonb;
$$;

-- What a batch is made of. Another agency's id reads as not found, and so does an inactive one.
create function batchline.require_agent(p_agency_id uuid, p_id uuid)
returns public.agent_mappings
language plpgsql stable set search_path = ''
as $$
declare
  v_agent public.agent_mappings;
begin
  select * into v_agent from public.agent_mappings where id = p_id and agency_id = p_agency_id and active;
  if not found then
    perform batchline.refuse(
      404, 'agent_not_found', 'agent_mapping_id: agent not found or does not belong to the user''s agency'
    );
  end if;
  return v_agent;
end;
$$;

create function batchline.require_campaign(p_agency_id uuid, p_id uuid)
returns public.campaigns
language plpgsql stable set search_path = ''
as $$
declare
  v_campaign public.campaigns;
begin
  select * into v_campaign from public.campaigns where id = p_id and agency_id = p_agency_id;
  if not found then
    perform batchline.refuse(
      404, 'campaign_not_found', 'campaign_id: campaign not found or does not belong to the user''s agency'
    );
  end if;
  return v_campaign;
end;
$$;

create function batchline.require_number(p_agency_id uuid, p_phone_number text)
returns void
language plpgsql stable set search_path = ''
as $$
begin
  if not exists (
    select from public.agency_phone_numbers
    where agency_id = p_agency_id and phone_number = p_phone_number and active
  ) then
    perform batchline.refuse(
      404, 'from_number_not_found', 'from_number: not an active phone number of the user''s agency'
    );
  end if;
end;
$$;

-- 60 a minute and 100 at once for everybody, more where the agency's plan allows more.
create function batchline.require_pace(p_agency public.agencies, p_calls_per_minute int, p_max_concurrent int)
returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if p_calls_per_minute not between 1 and greatest(60, p_agency.max_calls_per_minute) then
    perform batchline.refuse(
      400, 'out_of_range',
      format('calls_per_minute must be between 1 and %s', greatest(60, p_agency.max_calls_per_minute)),
      '{"field": "calls_per_minute"}'
    );
  end if;
  if p_max_concurrent not between 1 and greatest(100, p_agency.max_concurrent_calls) then
    perform batchline.refuse(
      400, 'out_of_range',
      format('max_concurrent must be between 1 and %s', greatest(100, p_agency.max_concurrent_calls)),
      '{"field": "max_concurrent"}'
    );
  end if;
end;
$$;

-- One batch with its contacts, in one transaction. The contacts come normalised, valid and without duplicates.
create function batchline.create_call_batch(p_user_id uuid, p_batch jsonb)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_agency public.agencies;
  v_agent public.agent_mappings;
  v_campaign public.campaigns;
  v_batch public.call_batches;
begin
  select * into v_agency from public.agencies where id = v_user.agency_id;
  v_agent := batchline.require_agent(v_agency.id, (p_batch ->> 'agent_mapping_id')::uuid);
  v_campaign := batchline.require_campaign(v_agency.id, (p_batch ->> 'campaign_id')::uuid);
  perform batchline.require_number(v_agency.id, p_batch ->> 'from_number');
  perform batchline.require_pace(
    v_agency, (p_batch ->> 'calls_per_minute')::int, (p_batch ->> 'max_concurrent')::int
  );

  insert into public.call_batches (
    status, agency_id, campaign_id, agent_mapping_id, name, from_number, calls_per_minute, max_concurrent,
    retry, scheduled_for, created_by
  )
  values (
    case when p_batch ->> 'scheduled_for' is null then 'pending' else 'scheduled' end,
    v_agency.id, v_campaign.id, v_agent.id, p_batch ->> 'name', p_batch ->> 'from_number',
    (p_batch ->> 'calls_per_minute')::int, (p_batch ->> 'max_concurrent')::int,
    batchline.default_retry()
      || coalesce(v_campaign.retry, '{}')
      || coalesce(nullif(p_batch -> 'retry', 'null'), '{}'),
    (p_batch ->> 'scheduled_for')::timestamptz, v_user.id
  )
  returning * into v_batch;

  perform batchline.add_contacts(v_batch, p_batch -> 'contacts', 'pending');
  perform batchline.log_batch_event(v_batch, 'created', p_actor => v_user.id);
  select * into v_batch from public.call_batches where id = v_batch.id;

  return jsonb_build_object(
    'batch_id', v_batch.id,
    'status', v_batch.status,
    'total_contacts', v_batch.total_contacts,
    'duplicates_removed', coalesce((p_batch ->> 'duplicates_removed')::int, 0),
    'skipped', v_batch.skipped,
    'agent_mapping_id', v_agent.id,
    'agent_name', v_agent.name,
    'campaign_id', v_campaign.id,
    'campaign_name', v_campaign.name,
    'from_number', v_batch.from_number,
    'calls_per_minute', v_batch.calls_per_minute,
    'max_concurrent', v_batch.max_concurrent,
    'scheduled_for', public.iso_utc(v_batch.scheduled_for),
    'created_at', public.iso_utc(v_batch.created_at)
  );
end;
$$;

-- processing, scheduled -> paused. After it every call that the provider accepts for the batch was dialing before:
-- begin_dial waits for the same locks, and what is only claimed is released here.
create function batchline.pause_batch(p_batch public.call_batches, p_error_message text, p_actor uuid default null)
returns public.call_batches
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  update public.call_batches
  set status = 'paused', paused_at = batchline.clock(), error_message = p_error_message, waiting_until = null
  where id = p_batch.id and status in ('processing', 'scheduled')
  returning * into v_batch;
  if found then
    perform batchline.release_claimed(p_batch.id, 'Batch paused');
    perform batchline.log_batch_event(v_batch, 'paused', p_error_message, p_actor);
    select * into v_batch from public.call_batches where id = p_batch.id;
    perform batchline.complete_batches(array[p_batch.id]);  -- a release may have skipped the last contact
  end if;
  return v_batch;
end;
$$;

create function batchline.pause_call_batch(p_user_id uuid, p_batch_id uuid)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_batch public.call_batches := batchline.require_batch(v_user.agency_id, p_batch_id);
begin
  v_batch := batchline.pause_batch(v_batch, null, v_user.id);
  if v_batch.id is null then
    perform batchline.refuse(
      400, 'batch_not_pausable',
      'Batch is not in a pausable state (only processing or scheduled batches can be paused)'
    );
  end if;
  return jsonb_build_object(
    'success', true,
    'batch_id', v_batch.id,
    'status', v_batch.status,
    'paused_at', public.iso_utc(v_batch.paused_at),
    'in_progress', v_batch.in_progress,
    'message', 'Batch paused. In-progress calls will continue until they complete.'
  );
end;
$$;

-- paused -> scheduled where it has not started and its time is still to come, else -> processing, and started properly.
create function batchline.resume_call_batch(p_user_id uuid, p_batch_id uuid)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_batch public.call_batches := batchline.require_batch(v_user.agency_id, p_batch_id);
  v_now timestamptz := batchline.clock();
begin
  update public.call_batches
  set status = case when started_at is null and scheduled_for > v_now then 'scheduled' else 'processing' end,
      started_at = case when started_at is null and scheduled_for > v_now then null else coalesce(started_at, v_now) end,
      resumed_at = v_now,
      paused_at = null,
      error_message = null
  where id = p_batch_id and status = 'paused'
  returning * into v_batch;
  if not found then
    perform batchline.refuse(
      400, 'batch_not_paused', 'Batch is not paused (only paused batches can be resumed)'
    );
  end if;
  perform batchline.log_batch_event(v_batch, 'resumed', p_actor => v_user.id);
  if v_batch.status = 'processing' then
    perform batchline.start_contacts(p_batch_id);
    perform batchline.complete_batches(array[p_batch_id]);
  end if;
  return jsonb_build_object(
    'success', true,
    'batch_id', v_batch.id,
    'status', v_batch.status,
    'message', case v_batch.status
      when 'scheduled' then 'Batch scheduled to resume at ' || public.iso_utc(v_batch.scheduled_for)
      else 'Batch resumed. The processor will start making calls on the next run.'
    end
  );
end;
$$;

create function batchline.cancel_call_batch(p_user_id uuid, p_batch_id uuid)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_before public.call_batches := batchline.require_batch(v_user.agency_id, p_batch_id);
  v_batch public.call_batches;
begin
  v_batch := batchline.close_batch(v_before, 'cancelled', 'Cancelled by user', v_user.id);
  if v_batch.id is null then
    perform batchline.refuse(400, 'batch_already_final', 'Batch is already completed or cancelled');
  end if;
  return jsonb_build_object(
    'success', true,
    'batch_id', v_batch.id,
    'status', v_batch.status,
    'contacts_skipped', v_batch.skipped - v_before.skipped,
    'message', 'Batch cancelled. In-progress calls will complete but no new calls will be initiated.',
    'hang_up_calls', (
      select coalesce(jsonb_agg(ultravox_call_id), '[]')
      from public.calls
      where batch_id = p_batch_id and is_live and status = 'answered'
    ),
    'agency_id', v_batch.agency_id
  );
end;
$$;

-- Any open state -> cancelled or failed. What waits is skipped, what is claimed is released (and so skipped too);
-- live calls end by themselves and still settle and count.
create function batchline.close_batch(
  p_batch public.call_batches, p_status text, p_error_message text, p_actor uuid default null
)
returns public.call_batches
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_batch public.call_batches;
begin
  update public.call_batches
  set status = p_status, completed_at = v_now, paused_at = null, waiting_until = null, error_message = p_error_message
  where id = p_batch.id and status not in ('completed', 'failed', 'cancelled')
  returning * into v_batch;
  if found then
    perform batchline.release_claimed(p_batch.id, batchline.closing_note(v_batch));
    update public.campaign_contacts
    set status = 'skipped',
        next_attempt_at = null,
        completed_at = v_now,
        outcome_notes = batchline.closing_note(v_batch),
        reason = batchline.closing_note(v_batch),
        reason_at = v_now
    where batch_id = p_batch.id and status in ('pending', 'queued');
    perform batchline.log_batch_event(v_batch, p_status, p_error_message, p_actor);
    select * into v_batch from public.call_batches where id = p_batch.id;
  end if;
  return v_batch;
end;
$$;

-- Who needs a worker now: a batch processing, due, or due within the minute until the next run, or any live call,
-- also of a paused, cancelled or failed batch.
create function batchline.active_agencies(p_now timestamptz)
returns setof uuid
language sql stable set search_path = ''
as $$
  select agency_id
  from public.call_batches
  where status in ('pending', 'scheduled', 'processing')
    and (status <> 'scheduled' or scheduled_for <= p_now + interval '60 s')
  union
  select agency_id from public.calls where is_live;
$$;

-- pending and due, scheduled and due -> processing. Answers when the next scheduled batch of the agency is due.
create function batchline.start_call_batches(p_agency_id uuid)
returns timestamptz
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_batch public.call_batches;
begin
  for v_batch in
    select * from public.call_batches
    where agency_id = p_agency_id and status in ('pending', 'scheduled')
      and (scheduled_for is null or scheduled_for <= v_now)
    order by id
    for no key update
  loop
    update public.call_batches
    set status = 'processing', started_at = v_now, resumed_at = v_now
    where id = v_batch.id;
    perform batchline.log_batch_event(v_batch, 'started');
    perform batchline.start_contacts(v_batch.id);
    perform batchline.complete_batches(array[v_batch.id]);
  end loop;
  return (
    select min(scheduled_for) from public.call_batches where agency_id = p_agency_id and status = 'scheduled'
  );
end;
$$;

-- How many calls may begin now under a pace of so many a minute: no more than that in any 60 s, and no more than
-- one second's share in any 1 s, since carriers take about one start a second. p_begun holds the starts of the last
-- minute, newest first. The windows are a little wider than 60 s and 1 s, because what is exact here reaches the
-- provider with a few milliseconds of jitter.
create function batchline.pace_room(
  p_begun timestamptz[], p_calls_per_minute int, p_now timestamptz, out room int, out opens_at timestamptz
)
language plpgsql immutable set search_path = ''
as $$
declare
  v_share int := ceil(p_calls_per_minute / 60.0);
  v_minute constant interval := '60.02 s';
  v_second constant interval := '1.005 s';
begin
  room := least(
    p_calls_per_minute - (select count(*) from unnest(p_begun) as begun (at) where at > p_now - v_minute),
    v_share - (select count(*) from unnest(p_begun[:v_share]) as begun (at) where at > p_now - v_second)
  );
  opens_at := greatest(p_now, p_begun[p_calls_per_minute] + v_minute, p_begun[v_share] + v_second);
end;
$$;

-- What every processing batch of an agency, and the agency itself (batch_id null), may still begin and when the clock
-- opens the next place. Limits are computed from rows, never from a counter that a dead worker would leave behind.
-- Planned anew each time: a plan made while the tables were small would read all calls of the agency ever after.
-- A claimed call is about to begin, so it counts as begun now; one that was released counts for nothing.
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
      and call.began_at > p_now - interval '61 s' and not call.is_live
  ),
  use as (
    select counting.batch_id,
           grouping(counting.batch_id) = 1 as whole_agency,
           count(*) filter (where counting.is_live)::int as live,
           coalesce(
             array_agg(counting.began_at order by counting.began_at desc)
               filter (where counting.began_at > p_now - interval '61 s'),
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

-- Decides which contacts of one agency are dialled now, under the agency's lock; p_now was read after taking it.
-- Fair among batches: places go one at a time to the batch that has begun the fewest in the last minute.
create function batchline.claim_agency_calls(
  p_agency_id uuid, p_worker text, p_limit int, p_lease interval, p_now timestamptz
)
returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_calls uuid[];
begin
  with room as materialized (
    select * from batchline.dial_room(p_agency_id, p_now)
  ),
  candidate as (
    select contact.id, contact.phone_number, room.batch_id,
           room.begun + row_number() over (
             partition by room.batch_id order by contact.next_attempt_at, contact.position
           ) as turn
    from room
    cross join lateral (
      select queued.id, queued.phone_number, queued.next_attempt_at, queued.position
      from public.campaign_contacts as queued
      where queued.batch_id = room.batch_id
        and queued.status = 'queued'
        and queued.next_attempt_at <= p_now
        and (
          select count(*) from public.calls as call
          where call.agency_id = p_agency_id and call.to_number = queued.phone_number and call.is_live
        ) = 0
      order by queued.next_attempt_at, queued.position
      limit greatest(0, least(room.room, p_limit))
    ) as contact
    where room.batch_id is not null
  ),
  -- two batches may hold the same number: only one of them calls it now
  one_per_number as (
    select distinct on (phone_number) * from candidate order by phone_number, turn, batch_id
  ),
  picked as (
    select * from one_per_number
    order by turn, batch_id
    limit greatest(0, least(p_limit, (select room.room from room where room.batch_id is null)))
  ),
  claimed as (
    insert into public.calls (
      status, agency_id, batch_id, contact_id, agent_mapping_id, to_number, from_number, attempt,
      max_duration_seconds, claimed_by, claimed_at, claimed_until
    )
    select 'claimed', p_agency_id, batch.id, contact.id, batch.agent_mapping_id, contact.phone_number,
           batch.from_number, contact.attempts + 1, agent.max_duration_seconds, p_worker, p_now, p_now + p_lease
    from picked
    join public.campaign_contacts as contact on contact.id = picked.id
    join public.call_batches as batch on batch.id = picked.batch_id
    join public.agent_mappings as agent on agent.id = batch.agent_mapping_id
    order by picked.turn, picked.batch_id
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

-- When the agency's next call can begin, as far as the clock decides it; waiting_for_slot says that contacts could be
-- dialled now if a call ended (of their batch, of the agency, or to their number). Both empty: nothing is queued.
-- Before its opening nobody waits for a slot, however full the batch is.
create function batchline.next_opening(
  p_agency_id uuid, p_now timestamptz, out opens_at timestamptz, out waiting_for_slot boolean
)
language sql stable set search_path = ''
as $$
  with room as materialized (
    select * from batchline.dial_room(p_agency_id, p_now)
  ),
  opening as (
    select greatest(batch.opens_at, agency.opens_at, contact.next_attempt_at, agencies.dial_after) as opens_at
    from room as batch
    join room as agency on agency.batch_id is null
    join public.agencies on agencies.id = p_agency_id
    cross join lateral (
      select queued.next_attempt_at
      from public.campaign_contacts as queued
      where queued.batch_id = batch.batch_id and queued.status = 'queued'
      order by queued.next_attempt_at
      limit 1
    ) as contact
    where batch.batch_id is not null
  )
  select min(opening.opens_at) filter (where opening.opens_at > p_now),
         coalesce(bool_or(opening.opens_at <= p_now), false)
  from opening;
$$;

-- One round trip: starts what is due and claims, agency by agency, at most p_limit calls. Answers all that the dials
-- need, and when to come again.
create function batchline.claim_calls(
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
    v_next := least(v_next, v_opening.opens_at);
    if cardinality(v_claimed) = v_share and v_opening.waiting_for_slot and v_calls <> '{}' then
      v_next := v_now;  -- it was p_limit that stopped here, not a limit of the agency
    end if;
    v_waiting := v_waiting or v_opening.waiting_for_slot;
  end loop;

  return jsonb_build_object(
    'active', cardinality(v_agencies) > 0,
    'calls', batchline.dial_orders(v_calls),
    'next_claim_in', case when v_next is not null then greatest(0, extract(epoch from v_next - batchline.clock())) end,
    'waiting_for_slot', v_waiting
  );
end;
$$;

-- All that a worker needs to dial.
create function batchline.dial_orders(p_call_ids uuid[])
returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'call_id', call.id,
        'agency_id', call.agency_id,
        'batch_id', call.batch_id,
        'contact_id', call.contact_id,
        'to_number', call.to_number,
        'from_number', call.from_number,
        'provider', number.provider,
        'sip_domain', number.sip_domain,
        'ultravox_agent_id', agent.ultravox_agent_id,
        'max_duration_seconds', call.max_duration_seconds,
        'recording_enabled', agent.recording_enabled,
        'contact', jsonb_build_object(
          'first_name', contact.first_name,
          'last_name', contact.last_name,
          'email', contact.email,
          'company', contact.company,
          'title', contact.title,
          'phone_number', contact.phone_number
        ),
        'custom_data', contact.custom_data
      )
      order by asked.turn
    ),
    '[]'
  )
  from unnest(p_call_ids) with ordinality as asked (call_id, turn)
  join public.calls as call on call.id = asked.call_id
  join public.campaign_contacts as contact on contact.id = call.contact_id
  join public.agent_mappings as agent on agent.id = call.agent_mapping_id
  join public.agency_phone_numbers as number
    on number.agency_id = call.agency_id and number.phone_number = call.from_number;
$$;

-- claimed -> dialing. After its commit the provider may have been asked, so this is the last word of pause, cancel and
-- the do-not-call list: it waits for their locks. What it refuses it releases. Repeated by the same worker (its answer
-- was lost) it answers the same calls again.
create function batchline.begin_dial(p_worker text, p_call_ids uuid[], p_lease_seconds double precision)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  v_agency record;
  v_begun uuid[] := '{}';
begin
  for v_agency in
    select agency_id as id, array_agg(id) as call_ids, array_agg(distinct batch_id) as batch_ids
    from public.calls
    where id = any (p_call_ids)
    group by agency_id
    order by agency_id
  loop
    perform batchline.lock_agency(v_agency.id);
    perform batchline.lock_batches(v_agency.batch_ids);
    v_begun := v_begun || batchline.begin_locked(
      p_worker, v_agency.call_ids, batchline.clock(), make_interval(secs => p_lease_seconds)
    );
    perform batchline.complete_batches(v_agency.batch_ids);
  end loop;
  return jsonb_build_object('begun', to_jsonb(v_begun));
end;
$$;

-- Begins or releases calls whose agency and batches are locked. Calls are looked up by their ids alone, everything else
-- is asked of what was found: a planner without statistics would read all calls of the agency instead.
create function batchline.begin_locked(p_worker text, p_call_ids uuid[], p_now timestamptz, p_lease interval)
returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_call public.calls;
begin
  with held as materialized (
    select call.*, batchline.why_not_begun(call, p_now) as refusal
    from public.calls as call
    where id = any (p_call_ids) and status = 'claimed' and claimed_by = p_worker
  ),
  begun as (
    update public.calls as call
    set status = 'dialing', began_at = p_now, claimed_until = p_now + p_lease
    from held
    where call.id = held.id and held.refusal is null
    returning call.*
  )
  insert into public.call_events (agency_id, batch_id, contact_id, call_id, event, at)
  select agency_id, batch_id, contact_id, id, 'begun', p_now from begun;

  for v_call in
    select * from public.calls
    where id = any (p_call_ids) and status = 'claimed' and claimed_by = p_worker
    order by id
    for update
  loop
    perform batchline.release_call(v_call, p_now, 'Not begun: ' || batchline.why_not_begun(v_call, p_now));
  end loop;
  return array(
    select id from public.calls where id = any (p_call_ids) and status = 'dialing' and claimed_by = p_worker
  );
end;
$$;

-- Null where the call may begin.
create function batchline.why_not_begun(p_call public.calls, p_now timestamptz)
returns text
language sql stable set search_path = ''
as $$
  select case
    when p_call.claimed_until <= p_now then 'the lease was over'
    when batch.status <> 'processing' then 'the batch is ' || batch.status
    when (
      select count(*) from public.do_not_call
      where agency_id = p_call.agency_id and phone_number = p_call.to_number
    ) > 0 then 'the number is on the do-not-call list'
  end
  from public.call_batches as batch
  where batch.id = p_call.batch_id;
$$;

-- A call was given up between the look that chose the locks and the locks. To wake it takes the agency's lock, which
-- comes before the batch's, so everything starts again.
create function batchline.refuse_given_up(p_call_ids uuid[])
returns void
language plpgsql stable set search_path = ''
as $$
begin
  if exists (select from public.calls where id = any (p_call_ids) and status = 'not_placed') then
    raise exception using errcode = '40001', message = 'A call was settled meanwhile; repeat';
  end if;
end;
$$;

-- What became of the dials: all results in one round trip, each row by itself, from dialing or unknown only.
-- p_results: [{"call_id", "result", "ultravox_call_id"?, "reason"?, "retry_after_seconds"?}], result as in
-- dial_result_is_known. Anything but plain acceptances may pause or fail batches or wake a call that was given up,
-- and so starts one lock higher, at the agency.
create function batchline.settle_dials(p_results jsonb)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  v_agency record;
  v_settled int := 0;
begin
  for v_agency in
    select call.agency_id as id,
           jsonb_agg(to_jsonb(told) order by told.call_id) as results,
           array_agg(call.id) as call_ids,
           array_agg(distinct call.batch_id) as batch_ids,
           bool_or(told.result <> 'accepted' or call.status = 'not_placed') as needs_agency,
           bool_or(told.result = 'account_refused') as pauses_all
    from jsonb_to_recordset(p_results) as told (
      call_id uuid, result text, ultravox_call_id uuid, reason text, retry_after_seconds double precision
    )
    join public.calls as call on call.id = told.call_id
    group by call.agency_id
    order by call.agency_id
  loop
    if v_agency.needs_agency then
      perform batchline.lock_agency(v_agency.id);
    end if;
    if v_agency.pauses_all then  -- all at once: a second helping of locks could meet somebody else's the other way round
      v_agency.batch_ids := v_agency.batch_ids || array(
        select id from public.call_batches where agency_id = v_agency.id and status = 'processing'
      );
    end if;
    perform batchline.lock_batches(v_agency.batch_ids);
    if not v_agency.needs_agency then
      perform batchline.refuse_given_up(v_agency.call_ids);
    end if;
    v_settled := v_settled + batchline.settle_locked(v_agency.results);
    perform batchline.complete_batches(v_agency.batch_ids);
  end loop;
  return jsonb_build_object('settled', v_settled);
end;
$$;

-- -> ringing, for calls of which somebody has made sure that they may; their batches are locked. How many there were.
create function batchline.accept_calls(p_call_ids uuid[], p_ultravox_call_ids uuid[], p_event text)
returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_accepted int;
begin
  with accepted as (
    update public.calls as call
    set status = 'ringing',
        ultravox_call_id = taken.ultravox_call_id,
        accepted_at = v_now,
        news_at = v_now,
        began_at = coalesce(call.began_at, v_now),
        claimed_until = null,
        dial_result = coalesce(nullif(call.dial_result, 'unknown'), 'accepted')
    from unnest(p_call_ids, p_ultravox_call_ids) as taken (call_id, ultravox_call_id)
    where call.id = taken.call_id and call.status in ('dialing', 'unknown', 'not_placed')
    returning call.*
  )
  insert into public.call_events (agency_id, batch_id, contact_id, call_id, event)
  select agency_id, batch_id, contact_id, id, p_event from accepted;
  get diagnostics v_accepted = row_count;
  return v_accepted;
end;
$$;

-- How long a contact is held back when nothing was placed and it was not the contact's fault.
create function batchline.hold_back(p_result text)
returns interval
language sql immutable set search_path = ''
as $$
  select case p_result
    when 'refused' then interval '60 s'
    when 'unreachable' then interval '30 s'
    else interval '0'
  end;
$$;

create function batchline.mark_unknown(p_call public.calls, p_reason text)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  update public.calls
  set status = 'unknown', claimed_until = null, unknown_at = batchline.clock(), dial_result = 'unknown',
      reason = p_reason
  where id = p_call.id and status = 'dialing';
  perform batchline.log_call_event(p_call, 'unknown', p_reason);
end;
$$;

-- The provider refuses the agency's account: nothing of this agency can be dialled until somebody acts.
create function batchline.pause_agency(p_agency_id uuid, p_reason text)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  for v_batch in
    select * from public.call_batches
    where agency_id = p_agency_id and status = 'processing' order by id for no key update
  loop
    perform batchline.pause_batch(v_batch, p_reason);
  end loop;
end;
$$;

-- One result. True where it changed anything.
create function batchline.settle_dial(
  p_call_id uuid, p_result text, p_ultravox_call_id uuid, p_reason text, p_retry_after_seconds double precision
)
returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_call public.calls;
begin
  select * into v_call from public.calls where id = p_call_id for update;
  if p_result = 'accepted' then
    return batchline.accept_call(v_call, p_ultravox_call_id, 'accepted');
  end if;
  if v_call.status not in ('dialing', 'unknown') or (v_call.status = 'unknown' and p_result = 'unknown') then
    return false;
  end if;
  if p_result = 'unknown' then
    perform batchline.mark_unknown(v_call, p_reason);
    return true;
  end if;

  update public.calls
  set status = 'not_placed', claimed_until = null, dial_result = p_result, reason = p_reason, news_at = v_now
  where id = p_call_id;
  perform batchline.log_call_event(
    v_call, case when p_result = 'throttled' then 'throttled' else 'refused' end, p_reason,
    jsonb_strip_nulls(jsonb_build_object('result', p_result, 'retry_after_seconds', p_retry_after_seconds))
  );

  if p_result = 'account_refused' then
    perform batchline.pause_agency(v_call.agency_id, p_reason);
  elsif p_result = 'agent_gone' then
    perform batchline.close_batch(batch, 'failed', p_reason)
    from public.call_batches as batch where batch.id = v_call.batch_id;
  elsif p_result = 'throttled' then
    update public.agencies
    set dial_after = greatest(dial_after, v_now + make_interval(secs => least(coalesce(p_retry_after_seconds, 5), 900)))
    where id = v_call.agency_id;
  end if;

  if p_result = 'number_refused' then
    perform batchline.finish_contact(v_call, 'failed', 'invalid_number', p_reason);
  else
    perform batchline.requeue_contact(v_call, v_now + batchline.hold_back(p_result), false, p_reason);
  end if;
  return true;
end;
$$;

-- The provider has taken the call: -> ringing, from dialing or unknown, and from not_placed where that is still
-- possible (late knowledge). Locks of the batch are held; those of the agency too where the call is not_placed.
create function batchline.accept_call(p_call public.calls, p_ultravox_call_id uuid, p_event text)
returns boolean
language plpgsql volatile set search_path = ''
as $$
begin
  if p_call.ultravox_call_id <> p_ultravox_call_id then
    perform batchline.log_late_acceptance(p_call, p_ultravox_call_id, 'The provider has a second call for this one');
    return false;
  elsif p_call.status = 'not_placed' and not batchline.revive_contact(p_call) then
    perform batchline.log_late_acceptance(
      p_call, p_ultravox_call_id, 'The provider has a call that we had taken for not placed'
    );
    return false;
  end if;
  if p_call.status not in ('dialing', 'unknown', 'not_placed') then
    return false;
  end if;
  perform batchline.accept_calls(array[p_call.id], array[p_ultravox_call_id], p_event);
  return true;
end;
$$;

-- Somebody may have been called who should not have been: an alarm, once for each call of the provider's.
create function batchline.log_late_acceptance(p_call public.calls, p_ultravox_call_id uuid, p_reason text)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if not exists (
    select from public.call_events
    where call_id = p_call.id and event = 'late_acceptance'
      and detail ->> 'ultravox_call_id' = p_ultravox_call_id::text
  ) then
    perform batchline.log_call_event(
      p_call, 'late_acceptance', p_reason, jsonb_build_object('ultravox_call_id', p_ultravox_call_id)
    );
  end if;
end;
$$;

-- Late knowledge: the contact follows its call back, with the attempt counted, if nothing else has happened to it
-- since. The agency's lock keeps the claim away from the contact and its number.
create function batchline.revive_contact(p_call public.calls)
returns boolean
language plpgsql volatile set search_path = ''
as $$
begin
  if exists (
    select from public.calls
    where agency_id = p_call.agency_id and to_number = p_call.to_number and is_live
  ) then
    return false;
  end if;
  update public.campaign_contacts as contact
  set status = 'in_progress',
      attempts = contact.attempts + (p_call.dial_result is distinct from 'number_refused')::int,  -- that one still counts
      next_attempt_at = null,
      completed_at = null,
      outcome = null,
      outcome_notes = null,
      reason = 'The provider has the call after all',
      reason_at = batchline.clock()
  from public.call_batches as batch
  where contact.id = p_call.contact_id
    and contact.call_id = p_call.id
    and contact.status in ('queued', 'skipped', 'failed')
    and batch.id = contact.batch_id
    and batch.status <> 'completed';
  return found;
end;
$$;

-- Results of one agency's calls, whose batches are locked. Nearly all are acceptances of calls of which nothing else is
-- known yet: those in one statement, the others one by one.
create function batchline.settle_locked(p_results jsonb)
returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_plain uuid[];
  v_ultravox_call_ids uuid[];
begin
  select coalesce(array_agg(call.id), '{}'), coalesce(array_agg(told.ultravox_call_id), '{}')
  into v_plain, v_ultravox_call_ids
  from jsonb_to_recordset(p_results) as told (call_id uuid, result text, ultravox_call_id uuid)
  join public.calls as call on call.id = told.call_id
  where told.result = 'accepted' and call.status in ('dialing', 'unknown') and call.ultravox_call_id is null;

  return batchline.accept_calls(v_plain, v_ultravox_call_ids, 'accepted') + (
    select count(*) filter (
      where batchline.settle_dial(call_id, result, ultravox_call_id, reason, retry_after_seconds)
    )
    from jsonb_to_recordset(p_results) as told (
      call_id uuid, result text, ultravox_call_id uuid, reason text, retry_after_seconds double precision
    )
    where told.call_id <> all (v_plain)
  );
end;
$$;

-- What a provider's Call object says, in our words. Tolerant: calls of early 2025 lack many of today's fields, and
-- unknown values of an enum are kept in the payload.
create function batchline.call_outcome(p_call jsonb)
returns text
language sql immutable set search_path = ''
as $$
  select case
    when p_call ->> 'joined' is null then
      case
        when p_call ->> 'endReason' in ('connection_error', 'system_error') then 'error'
        when p_call #>> '{sipDetails,terminationReason}' = 'SIP_TERMINATION_BUSY' then 'busy'
        when p_call #>> '{sipDetails,terminationReason}' = 'SIP_TERMINATION_INVALID_NUMBER' then 'invalid_number'
        when p_call #>> '{sipDetails,terminationReason}' = 'SIP_TERMINATION_REJECTED' then 'rejected'
        else 'no_answer'
      end
    when p_call ->> 'endReason' in ('connection_error', 'system_error')
      and (p_call ->> 'ended')::timestamptz - (p_call ->> 'joined')::timestamptz < interval '10 s' then 'dropped'
    else 'answered'
  end;
$$;

-- How much a payload can know: started < joined < ended < billed. The fullest one seen is kept.
create function batchline.call_rank(p_call jsonb)
returns int
language sql immutable set search_path = ''
as $$
  select case
    when p_call ->> 'ended' is null then (p_call ->> 'joined' is not null)::int
    when coalesce(p_call ->> 'billingStatus', 'BILLING_STATUS_PENDING') = 'BILLING_STATUS_PENDING' then 2
    else 3
  end;
$$;

-- "102s" -> 102
create function batchline.duration_seconds(p_duration text)
returns int
language sql immutable set search_path = ''
as $$
  select round((substring(p_duration from '^(-?[0-9]+(?:\.[0-9]+)?)s$'))::numeric)::int;
$$;

-- The call of ours that a payload speaks of: our own id in its metadata (agency and contact must agree) before the
-- provider's id. Whatever a payload says, it reaches only rows of the agency whose secret or key brought it.
create function batchline.match_call(p_agency_id uuid, p_call jsonb)
returns uuid
language plpgsql stable set search_path = ''
as $$
declare
  v_call public.calls;
begin
  -- By the id alone, or a planner without statistics reads all calls of the agency.
  select * into v_call from public.calls where id = batchline.uuid_or_null(p_call #>> '{metadata,call_id}');
  if v_call.agency_id = p_agency_id and v_call.contact_id::text = p_call #>> '{metadata,contact_id}' then
    return v_call.id;
  end if;
  return (
    select id from public.calls
    where agency_id = p_agency_id and ultravox_call_id = batchline.uuid_or_null(p_call ->> 'callId')
  );
end;
$$;

-- What is kept of a provider's Call: all but the secrets that it echoes.
create function batchline.payload(p_call jsonb)
returns jsonb
language sql immutable set search_path = ''
as $$
  select p_call - '{callbacks,sharedSecrets}'::text[];
$$;

-- What others send as an id; no id at all is no error.
create function batchline.uuid_or_null(p_text text)
returns uuid
language sql immutable set search_path = ''
as $$
  select case when p_text ~* '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' then p_text::uuid end;
$$;

-- Fills what we did not know yet; nothing known is overwritten by less, so that order and repeats do not matter.
create function batchline.fill_call(p_call_id uuid, p_call jsonb)
returns boolean
language plpgsql volatile set search_path = ''
as $$
begin
  update public.calls as call
  set joined_at = coalesce(call.joined_at, (p_call ->> 'joined')::timestamptz),
      end_reason = coalesce(call.end_reason, p_call ->> 'endReason'),
      duration_seconds = coalesce(
        call.duration_seconds,
        round(extract(epoch from (p_call ->> 'ended')::timestamptz - (p_call ->> 'joined')::timestamptz))::int
      ),
      billing_status = coalesce(
        nullif(call.billing_status, 'BILLING_STATUS_PENDING'), p_call ->> 'billingStatus', call.billing_status
      ),
      billed_duration_seconds = coalesce(
        call.billed_duration_seconds, batchline.duration_seconds(p_call ->> 'billedDuration')
      ),
      short_summary = coalesce(call.short_summary, p_call ->> 'shortSummary'),
      summary = coalesce(call.summary, p_call ->> 'summary'),
      raw = batchline.payload(p_call)
  where call.id = p_call_id
    and (call.raw is null or batchline.call_rank(p_call) >= batchline.call_rank(call.raw))
    and call.raw is distinct from batchline.payload(p_call);
  return found;
end;
$$;

-- Takes what a webhook, a GET, a look-up or an import says of a call, in any order, any number of times, before or
-- after the answer to the POST. Answers applied, unchanged or imported.
create function batchline.apply_call(p_agency_id uuid, p_call jsonb, p_source text)
returns text
language plpgsql volatile
set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_call_id uuid := batchline.match_call(p_agency_id, p_call);
  v_batch_id uuid;
  v_status text;
  v_call public.calls;
begin
  select status, batch_id into v_status, v_batch_id from public.calls where id = v_call_id;
  if v_batch_id is null then
    return batchline.import_call(p_agency_id, p_call);
  end if;
  if v_status = 'not_placed' then
    perform batchline.lock_agency(p_agency_id);
  end if;
  perform batchline.lock_batches(array[v_batch_id]);
  if v_status <> 'not_placed' then
    perform batchline.refuse_given_up(array[v_call_id]);
  end if;
  select * into v_call from public.calls where id = v_call_id for update;
  return case when batchline.advance_call(v_call, p_call, p_source) then 'applied' else 'unchanged' end;
end;
$$;

-- The number of an outgoing call, wherever the payload has it.
create function batchline.call_number(p_call jsonb, p_end text)
returns text
language sql immutable set search_path = ''
as $$
  select coalesce(
    jsonb_path_query_first(p_call, '$.medium.*.outgoing') ->> p_end,
    case p_end when 'to' then p_call #>> '{metadata,to_number}' end
  );
$$;

create function batchline.call_status(p_call jsonb)
returns text
language sql immutable set search_path = ''
as $$
  select case
    when p_call ->> 'ended' is not null then 'ended'
    when p_call ->> 'joined' is not null then 'answered'
    else 'ringing'
  end;
$$;

-- A call that is not ours becomes a row without a contact: it holds no slot and no place in a pace.
create function batchline.import_call(p_agency_id uuid, p_call jsonb)
returns text
language plpgsql volatile set search_path = ''
as $$
declare
  v_call_id uuid;
  v_new boolean;
begin
  insert into public.calls as call (
    status, agency_id, agent_mapping_id, ultravox_call_id, to_number, from_number, accepted_at, joined_at, ended_at,
    outcome, created_at
  )
  select batchline.call_status(p_call), p_agency_id, agent.id, (p_call ->> 'callId')::uuid,
         batchline.call_number(p_call, 'to'), batchline.call_number(p_call, 'from'),
         (p_call ->> 'created')::timestamptz, (p_call ->> 'joined')::timestamptz, (p_call ->> 'ended')::timestamptz,
         case when p_call ->> 'ended' is not null then batchline.call_outcome(p_call) end,
         coalesce((p_call ->> 'created')::timestamptz, batchline.clock())
  from (select) as here
  left join public.agent_mappings as agent
    on agent.agency_id = p_agency_id
    and agent.ultravox_agent_id = coalesce(p_call #>> '{agent,agentId}', p_call ->> 'agentId')
  on conflict on constraint ultravox_call_is_unique_per_agency do update
  set status = excluded.status, joined_at = excluded.joined_at, ended_at = excluded.ended_at, outcome = excluded.outcome
  where call.contact_id is null and batchline.call_rank(p_call) > batchline.call_rank(call.raw)
  returning call.id, xmax = 0 into v_call_id, v_new;

  v_call_id := coalesce(v_call_id, batchline.match_call(p_agency_id, p_call));
  if not batchline.fill_call(v_call_id, p_call) and not coalesce(v_new, false) then
    return 'unchanged';
  end if;
  return case when v_new then 'imported' else 'applied' end;
end;
$$;

-- Moves a call of ours forward to where the payload has it, and its contact with it. Batch and call are locked.
create function batchline.advance_call(p_call public.calls, p_data jsonb, p_source text)
returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_call public.calls := p_call;
  v_status text := batchline.call_status(p_data);
  v_changed boolean := false;
begin
  v_changed := batchline.accept_call(
    v_call, (p_data ->> 'callId')::uuid, case p_source when 'lookup' then 'adopted' else 'accepted' end
  );
  select * into v_call from public.calls where id = p_call.id;
  if v_call.ultravox_call_id::text is distinct from p_data ->> 'callId' then
    return false;
  end if;

  v_changed := batchline.fill_call(v_call.id, p_data) or v_changed;
  if v_call.status = 'ringing' and v_status = 'answered' then
    update public.calls set status = 'answered', news_at = batchline.clock() where id = v_call.id;
    perform batchline.log_call_event(v_call, 'answered');
  elsif v_call.status in ('ringing', 'answered') and v_status = 'ended' then
    perform batchline.end_call(
      v_call.id, batchline.call_outcome(p_data), (p_data ->> 'ended')::timestamptz, p_data ->> 'endReason'
    );
  elsif v_call.status in ('ringing', 'answered') then
    update public.calls set news_at = batchline.clock() where id = v_call.id;
  end if;
  return v_changed;
end;
$$;

-- ringing, answered, unknown -> ended, and what that means for the contact and its batch.
create function batchline.end_call(p_call_id uuid, p_outcome text, p_ended_at timestamptz, p_reason text)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_call public.calls;
  v_retry jsonb;
begin
  update public.calls
  set status = 'ended', ended_at = p_ended_at, outcome = p_outcome, reason = p_reason, news_at = batchline.clock()
  where id = p_call_id and status in ('ringing', 'answered', 'unknown')
  returning * into v_call;
  if not found then
    return;
  end if;
  perform batchline.log_call_event(v_call, 'ended', p_reason, jsonb_build_object('outcome', p_outcome));

  select retry into v_retry from public.call_batches where id = v_call.batch_id;
  if p_outcome = 'answered' then
    perform batchline.finish_contact(v_call, 'completed', p_outcome, 'Answered', v_call.duration_seconds);
  elsif p_outcome = 'unknown' or not v_retry -> 'on' ? p_outcome then
    perform batchline.finish_contact(v_call, 'failed', p_outcome, batchline.outcome_note(p_outcome));
  else
    perform batchline.requeue_contact(
      v_call, batchline.clock() + batchline.retry_delay(v_retry, v_call.attempt), true,
      batchline.outcome_note(p_outcome), p_outcome
    );
  end if;
  perform batchline.complete_batches(array[v_call.batch_id]);
end;
$$;

create function batchline.outcome_note(p_outcome text)
returns text
language sql immutable set search_path = ''
as $$
  select case p_outcome
    when 'no_answer' then 'No answer'
    when 'busy' then 'Busy'
    when 'rejected' then 'The call was rejected'
    when 'invalid_number' then 'The number cannot be called'
    when 'dropped' then 'The connection was lost just after the call was answered'
    when 'error' then 'The call could not be connected'
    when 'unknown' then 'We could not learn what became of this call; it was not dialled again.'
  end;
$$;

create function batchline.retry_delay(p_retry jsonb, p_attempt int)
returns interval
language sql immutable set search_path = ''
as $$
  select make_interval(
    secs => least(
      60 * (p_retry ->> 'delay_minutes')::double precision
        * (p_retry ->> 'growth')::double precision ^ (p_attempt - 1),
      7 * 24 * 3600
    )
  );
$$;

-- A webhook event: stored once and applied, in one transaction.
create function batchline.ingest_event(p_agency_id uuid, p_event text, p_call jsonb)
returns text
language plpgsql volatile
set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_result text := batchline.apply_call(p_agency_id, p_call, 'webhook');
begin
  insert into public.call_events (
    agency_id, batch_id, contact_id, call_id, event, ultravox_call_id, payload
  )
  select p_agency_id, call.batch_id, call.contact_id, call.id, p_event, (p_call ->> 'callId')::uuid,
         batchline.payload(p_call)
  from (select batchline.match_call(p_agency_id, p_call) as id) as matched
  left join public.calls as call using (id)
  on conflict (agency_id, ultravox_call_id, event) where payload is not null do nothing;
  return v_result;
end;
$$;

create function batchline.webhook_agency_known(p_agency_id uuid)
returns boolean
language sql stable set search_path = ''
as $$
  select exists (select from public.agencies where id = p_agency_id);
$$;

-- What a worker left behind when it died or froze: a claimed call was never begun, so its contact may be dialled again;
-- of a dialing one nobody knows, so the provider is asked. Bounded, and never a redial by a timer: a call about which
-- the provider has said nothing at all for longer than any call can last is closed as unknown, not repeated.
create function batchline.sweep_calls(p_limit int, p_give_up_seconds double precision)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_now timestamptz := batchline.clock();
  v_found public.calls;
  v_call public.calls;
  v_batches uuid[] := '{}';
  v_released int := 0;
  v_unknown int := 0;
  v_given_up int := 0;
begin
  for v_found in
    select * from public.calls
    where is_live and (
      claimed_until <= v_now
      or status in ('unknown', 'ringing', 'answered')
        and coalesce(news_at, unknown_at) + make_interval(secs => max_duration_seconds + p_give_up_seconds) <= v_now
    )
    order by agency_id, batch_id, id
    limit p_limit
  loop
    perform batchline.lock_batches(array[v_found.batch_id]);
    select * into v_call from public.calls where id = v_found.id for update;
    if v_call.status is distinct from v_found.status or v_call.claimed_until is distinct from v_found.claimed_until
      or v_call.news_at is distinct from v_found.news_at then
      continue;
    elsif v_call.status = 'claimed' then
      perform batchline.release_call(v_call, v_now, 'Its worker stopped before it was begun');
      v_released := v_released + 1;
    elsif v_call.status = 'dialing' then
      perform batchline.mark_unknown(v_call, 'Its worker stopped before it knew');
      v_unknown := v_unknown + 1;
    else
      perform batchline.end_call(v_call.id, 'unknown', v_now, 'No answer from the provider');
      v_given_up := v_given_up + 1;
    end if;
    perform batchline.complete_batches(array[v_call.batch_id]);
  end loop;
  return jsonb_build_object('released', v_released, 'unknown', v_unknown, 'given_up', v_given_up);
end;
$$;

-- Which calls the provider is to be asked about now, and whose account is to be read again. Stamps asked_at, so that
-- two workers do not ask the same; a question whose worker died is asked again after p_ask_again_seconds.
create function batchline.claim_questions(
  p_limit int, p_ask_after_seconds double precision, p_ask_again_seconds double precision,
  p_silence_seconds double precision, p_join_timeout_seconds double precision, p_agency_id uuid default null
)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_now timestamptz := batchline.clock();
  v_questions jsonb;
  v_accounts jsonb;
begin
  with due as (
    select call.id
    from public.calls as call
    where call.is_live
      and (p_agency_id is null or call.agency_id = p_agency_id)
      and coalesce(call.asked_at + make_interval(secs => p_ask_again_seconds) <= v_now, true)
      and case call.status
            when 'unknown' then call.unknown_at + make_interval(secs => p_ask_after_seconds) <= v_now
            else call.status in ('ringing', 'answered') and (
              call.news_at + make_interval(secs => p_silence_seconds) <= v_now
              or coalesce(call.joined_at, call.accepted_at + make_interval(secs => p_join_timeout_seconds))
                + make_interval(secs => call.max_duration_seconds + 60) <= v_now
            )
          end
    order by coalesce(call.asked_at, call.began_at)
    limit p_limit
    for update skip locked
  ),
  asked as (
    update public.calls as call set asked_at = v_now from due where call.id = due.id returning call.*
  )
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'call_id', id, 'agency_id', agency_id, 'contact_id', contact_id, 'ultravox_call_id', ultravox_call_id,
        'began_at', public.iso_utc(began_at)
      )
    ),
    '[]'
  )
  into v_questions
  from asked;

  with due as (
    select agency.id
    from public.agencies as agency
    where agency.id in (select active.id from batchline.active_agencies(v_now) as active (id))
      and (p_agency_id is null or agency.id = p_agency_id)
      and coalesce(agency.account_checked_at + interval '10 minutes' <= v_now, true)
    limit p_limit
    for no key update skip locked  -- "for update" would meet the foreign keys of every call and event
  ),
  checked as (
    update public.agencies as agency set account_checked_at = v_now from due where agency.id = due.id
    returning agency.id
  )
  select coalesce(jsonb_agg(id), '[]') into v_accounts from checked;

  return jsonb_build_object('calls', v_questions, 'accounts', v_accounts);
end;
$$;

-- What the provider's account allows at once; null where it names no cap.
create function batchline.record_account(p_agency_id uuid, p_allowed_concurrent_calls int)
returns void
language sql volatile set search_path = ''
as $$
  update public.agencies set provider_concurrent_calls = p_allowed_concurrent_calls where id = p_agency_id;
$$;

-- What the provider answered. p_answers: [{"call_id", "answer": "found" | "none" | "failed", "call"?}].
-- found: applied. none, of an unknown call: once is not enough (a look-up may lag); twice, p_ask_again_seconds apart,
-- and nothing was placed. none, of a call that the provider had accepted: it is gone, and its fate with it.
-- failed: asked again later.
create function batchline.record_answers(p_answers jsonb, p_ask_again_seconds double precision)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_answer record;
  v_found int := 0;
  v_not_placed int := 0;
begin
  for v_answer in
    select answer.*, call.agency_id, call.batch_id
    from jsonb_to_recordset(p_answers) as answer (call_id uuid, answer text, call jsonb)
    join public.calls as call on call.id = answer.call_id
    order by call.agency_id, call.batch_id, call.id
  loop
    perform batchline.lock_agency(v_answer.agency_id);  -- before any batch: a call found may be one that was given up
    if v_answer.answer = 'found' then
      perform batchline.apply_call(v_answer.agency_id, v_answer.call, 'lookup');
      v_found := v_found + 1;
    elsif v_answer.answer = 'none' then
      perform batchline.lock_batches(array[v_answer.batch_id]);
      v_not_placed := v_not_placed + batchline.record_none(v_answer.call_id, p_ask_again_seconds)::int;
      perform batchline.complete_batches(array[v_answer.batch_id]);
    end if;
  end loop;
  return jsonb_build_object('found', v_found, 'not_placed', v_not_placed);
end;
$$;

create function batchline.record_none(p_call_id uuid, p_ask_again_seconds double precision)
returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_call public.calls;
begin
  select * into v_call from public.calls where id = p_call_id for update;
  if v_call.status in ('ringing', 'answered') then
    perform batchline.end_call(p_call_id, 'unknown', v_now, 'The provider no longer has the call');
    return false;
  elsif v_call.status <> 'unknown' then
    return false;
  elsif v_call.none_at is null or v_call.none_at + make_interval(secs => p_ask_again_seconds) > v_now then
    update public.calls set none_at = coalesce(none_at, v_now) where id = p_call_id;
    perform batchline.log_call_event(v_call, 'asked', 'The provider knows of no such call');
    return false;
  end if;
  update public.calls
  set status = 'not_placed', reason = 'The provider twice knew of no such call', news_at = v_now
  where id = p_call_id;
  perform batchline.log_call_event(v_call, 'not_placed', 'The provider twice knew of no such call');
  perform batchline.requeue_contact(v_call, v_now, false, 'The call was not placed');
  return true;
end;
$$;

-- Supabase grants everything in public to anon and authenticated by default; here nothing is open but what is named.
revoke all on all tables in schema public from anon, authenticated;
revoke all on all sequences in schema public from anon, authenticated;
revoke all on all functions in schema public from public, anon, authenticated;
revoke all on all functions in schema batchline from public, anon, authenticated;

grant usage on schema batchline to service_role;
grant execute on all functions in schema batchline to service_role;
grant select, insert, update, delete on all tables in schema public to service_role;
grant execute on all functions in schema public to service_role;

-- Leases, raw payloads and what only the dialler needs stay with service_role.
grant select on
  public.users, public.campaigns, public.agent_mappings, public.agency_phone_numbers, public.do_not_call,
  public.call_batches, public.campaign_contacts, public.v_call_batch_summary
to authenticated;
grant select (id, public_id, name, max_calls_per_minute, max_concurrent_calls, created_at)
  on public.agencies to authenticated;
grant select (
  id, status, agency_id, batch_id, contact_id, agent_mapping_id, ultravox_call_id, to_number, from_number, attempt,
  began_at, accepted_at, joined_at, ended_at, outcome, end_reason, reason, duration_seconds, billed_duration_seconds,
  billing_status, short_summary, summary, created_at
) on public.calls to authenticated;
grant select (id, agency_id, batch_id, contact_id, call_id, event, reason, detail, actor, at)
  on public.call_events to authenticated;

grant execute on function
  public.iso_utc(timestamptz),
  public.my_agency_id(),
  public.batch_json(public.v_call_batch_summary),
  public.contact_json(public.campaign_contacts),
  public.list_call_batches(text, uuid, int, int),
  public.get_call_batch(uuid, text, int, int, bigint)
to authenticated;
