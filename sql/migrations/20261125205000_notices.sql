set local lock_timeout = '4s';
set local statement_timeout = '30s';

alter table public.agent_mappings
  add column gone_at timestamptz,
  add constraint gone_agent_is_inactive check (gone_at is null or not active);

create table public.notice_endpoints (
  agency_id uuid primary key references public.agencies (id),
  url text not null,
  events text[] not null,
  active boolean not null default true,
  disabled_reason text,
  secret_seed text not null,  -- worth nothing without the service key, under which it becomes the secret
  secret_hash text not null,  -- of the secret: tells when the service key has changed since
  previous_seed text,
  previous_until timestamptz,  -- until then notices carry the previous secret's signature too
  updated_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default batchline.clock(),
  updated_at timestamptz not null default batchline.clock(),
  constraint notice_events_are_known check (
    events <@ array[
      'batch.started', 'batch.paused', 'batch.completed', 'batch.failed', 'batch.cancelled', 'contact.finished'
    ]
    and cardinality(events) > 0
  ),
  constraint disabled_reason_exactly_while_inactive check (active = (disabled_reason is null)),
  constraint previous_secret_ends check ((previous_seed is null) = (previous_until is null))
);
comment on table public.notice_endpoints is 'Where an agency wants to be told what became of its batches, and of which events.';
create index notice_endpoints_updated_by_idx on public.notice_endpoints (updated_by);

create table public.notices (
  id uuid primary key default gen_random_uuid(),  -- the webhook-id: the same at every attempt
  seq bigint generated always as identity,  -- of one batch's notices the order of the changes: each holds the batch's row
  status text not null default 'waiting',
  agency_id uuid not null references public.agencies (id),
  batch_id uuid not null references public.call_batches (id),
  contact_id uuid references public.campaign_contacts (id),
  event text not null,
  data jsonb not null,  -- what it was at that moment; who the person is, is read when it is sent
  attempts int not null default 0,
  next_attempt_at timestamptz not null,
  last_answer int,  -- the HTTP status of the latest attempt; null: there was no answer
  last_error text,
  claimed_by text,
  claimed_until timestamptz,
  created_at timestamptz not null,
  finished_at timestamptz,
  constraint notice_seq_is_unique unique (seq),
  constraint notice_status_is_known check (status in ('waiting', 'delivered', 'failed')),
  constraint notice_event_is_known check (
    event in ('batch.started', 'batch.paused', 'batch.completed', 'batch.failed', 'batch.cancelled', 'contact.finished')
  ),
  constraint notice_is_about_a_contact_exactly_when_it_says_so check (
    (event like 'contact.%') = (contact_id is not null)
  ),
  constraint notice_finished_at_exactly_when_final check ((status = 'waiting') = (finished_at is null)),
  constraint failed_notice_says_why check (status <> 'failed' or last_error is not null),
  constraint notice_lease_has_a_holder check ((claimed_by is null) = (claimed_until is null)),
  constraint notice_lease_only_while_waiting check (claimed_by is null or status = 'waiting')
);
comment on table public.notices is
  'What agencies are to be told, written in the transaction of the change it tells of; kept 30 days after it is final.';
create index notices_waiting_idx on public.notices (batch_id, seq) where status = 'waiting';
create index notices_batch_idx on public.notices (batch_id, seq);
create index notices_contact_idx on public.notices (contact_id);
create index notices_newest_idx on public.notices (agency_id, seq);
create index notices_failed_idx on public.notices (agency_id, seq) where status = 'failed';
create index notices_finished_idx on public.notices (finished_at) where finished_at is not null;

create policy notice_endpoints_are_read_by_their_agency on public.notice_endpoints for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));
create policy notices_are_read_by_their_agency on public.notices for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));
alter table public.notice_endpoints enable row level security;
alter table public.notices enable row level security;
revoke all on public.notice_endpoints, public.notices from anon, authenticated;
revoke all on all sequences in schema public from anon, authenticated;
grant select, insert, update, delete on public.notice_endpoints, public.notices to service_role;
grant select (
  agency_id, url, events, active, disabled_reason, previous_until, updated_by, created_at, updated_at
) on public.notice_endpoints to authenticated;
grant select (
  id, seq, status, agency_id, batch_id, contact_id, event, attempts, next_attempt_at, last_answer, last_error,
  created_at, finished_at
) on public.notices to authenticated;

-- A batch's change of state and the notice of it are one transaction. A trigger, so that no verb can forget it; a row
-- trigger, since the counters, which change at every call, name no status and so cost nothing.
create or replace function batchline.note_batch()
returns trigger
language plpgsql set search_path = ''
as $$
declare
  v_event text := case
    when new.status = 'processing' and old.started_at is null then 'batch.started'
    when new.status in ('paused', 'completed', 'failed', 'cancelled') then 'batch.' || new.status
  end;
  v_now timestamptz := batchline.clock();
begin
  insert into public.notices (agency_id, batch_id, event, data, next_attempt_at, created_at)
  select new.agency_id, new.id, v_event, jsonb_build_object('status', new.status, 'reason', new.error_message), v_now, v_now
  from public.notice_endpoints
  where agency_id = new.agency_id and active and v_event = any (events);
  return null;
end;
$$;

create trigger batches_noted
  after update of status on public.call_batches
  for each row when (new.status is distinct from old.status) execute function batchline.note_batch();

-- As note_batch, for contacts that have become final. It is named so that it comes after contacts_moved: the batch's row
-- is locked by then, and of one batch the order of the notices is that of the changes.
create or replace function batchline.note_contacts()
returns trigger
language plpgsql set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
begin
  -- The one look that agencies without an endpoint pay for.
  if not exists (select from public.notice_endpoints where active and 'contact.finished' = any (events)) then
    return null;
  end if;
  insert into public.notices (agency_id, batch_id, contact_id, event, data, next_attempt_at, created_at)
  select contact.agency_id, contact.batch_id, contact.id, 'contact.finished',
         jsonb_build_object(
           'status', contact.status,
           'outcome', contact.outcome,
           'attempts', contact.attempts,
           'duration_seconds', contact.duration_seconds,
           'call_id', contact.call_id,
           'completed_at', public.iso_utc(contact.completed_at)
         ),
         v_now, v_now
  from new_rows as contact
  join old_rows as before using (id)
  join public.notice_endpoints as endpoint on endpoint.agency_id = contact.agency_id
  where endpoint.active and 'contact.finished' = any (endpoint.events)
    and contact.completed_at is not null and before.completed_at is null
  order by contact.position;
  return null;
end;
$$;

create trigger contacts_noted
  after update on public.campaign_contacts
  referencing old table as old_rows new table as new_rows
  for each statement execute function batchline.note_contacts();

-- An endpoint as its agency sees it: never the secret, but until when the previous one counts.
create or replace function public.notice_endpoint_json(p_endpoint public.notice_endpoints)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'url', p_endpoint.url,
    'events', p_endpoint.events,
    'active', p_endpoint.active,
    'disabled_reason', p_endpoint.disabled_reason,
    'previous_secret_until', public.iso_utc(p_endpoint.previous_until),
    'updated_at', public.iso_utc(p_endpoint.updated_at)
  );
$$;

-- A notice as notices-list shows it: what was said, and how its delivery stands.
create or replace function public.notice_json(p_notice public.notices)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_notice.id,
    'event', p_notice.event,
    'batch_id', p_notice.batch_id,
    'contact_id', p_notice.contact_id,
    'status', p_notice.status,
    'attempts', p_notice.attempts,
    'next_attempt_at', case when p_notice.status = 'waiting' then public.iso_utc(p_notice.next_attempt_at) end,
    'last_answer', p_notice.last_answer,
    'last_error', p_notice.last_error,
    'created_at', public.iso_utc(p_notice.created_at),
    'finished_at', public.iso_utc(p_notice.finished_at)
  );
$$;

-- The agency's endpoint and a page of its notices, newest first. A cursor is the place of the last one shown. Column by
-- column: users may not read the whole row.
create or replace function public.list_notices(p_status text, p_batch_id uuid, p_limit int, p_cursor bigint)
returns jsonb
language plpgsql stable
set search_path = '' set enable_seqscan = off set enable_sort = off set plan_cache_mode = force_custom_plan set jit = off
as $$
declare
  v_agency_id uuid := public.my_agency_id();
  v_endpoint jsonb;
  v_rows public.notices[];
begin
  select public.notice_endpoint_json(
    row(
      agency_id, url, events, active, disabled_reason, null, null, null, previous_until, updated_by, created_at, updated_at
    )::public.notice_endpoints
  )
  into v_endpoint
  from public.notice_endpoints
  where agency_id = v_agency_id;

  -- One more than the page: whether there is more is then known without a second look.
  v_rows := array(
    select row(
      id, seq, status, agency_id, batch_id, contact_id, event, null, attempts, next_attempt_at, last_answer, last_error,
      null, null, created_at, finished_at
    )::public.notices
    from public.notices
    where agency_id = v_agency_id
      and (p_status is null or status = p_status)
      and (p_batch_id is null or batch_id = p_batch_id)
      and (p_cursor is null or seq < p_cursor)
    order by seq desc
    limit p_limit + 1
  );
  return jsonb_build_object(
    'endpoint', v_endpoint,
    'notices', (
      select coalesce(jsonb_agg(public.notice_json(one) order by one.seq desc), '[]') from unnest(v_rows[:p_limit]) as one
    ),
    'pagination', jsonb_build_object(
      'limit', p_limit,
      'has_more', cardinality(v_rows) > p_limit,
      'next_cursor', case when cardinality(v_rows) > p_limit then (v_rows[p_limit]).seq::text end
    )
  );
end;
$$;

-- An endpoint that takes no more: what waits is given up, and can be replayed when there is one again.
create or replace function batchline.drop_notices(p_agency_id uuid, p_reason text)
returns void
language sql volatile set search_path = ''
as $$
  update public.notices
  set status = 'failed', last_error = p_reason, finished_at = batchline.clock(), claimed_by = null, claimed_until = null
  where agency_id = p_agency_id and status = 'waiting';
$$;

-- Where and of what an agency is told. The secret of p_seed becomes the endpoint's where it has none or p_rotate is set;
-- the one before it goes on signing for a day. The answer's secret_seed tells whose secret counts.
create or replace function batchline.set_notice_endpoint(
  p_user_id uuid, p_url text, p_events text[], p_active boolean, p_rotate boolean, p_seed text, p_secret_hash text
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_now timestamptz := batchline.clock();
  v_reason text := case when not p_active then 'Switched off by a user' end;
  v_endpoint public.notice_endpoints;
begin
  insert into public.notice_endpoints as known (
    agency_id, url, events, active, disabled_reason, secret_seed, secret_hash, updated_by, created_at, updated_at
  )
  values (v_user.agency_id, p_url, p_events, p_active, v_reason, p_seed, p_secret_hash, v_user.id, v_now, v_now)
  on conflict (agency_id) do update
  set url = excluded.url,
      events = excluded.events,
      active = excluded.active,
      disabled_reason = excluded.disabled_reason,
      secret_seed = case when p_rotate then excluded.secret_seed else known.secret_seed end,
      secret_hash = case when p_rotate then excluded.secret_hash else known.secret_hash end,
      previous_seed = case when p_rotate then known.secret_seed else known.previous_seed end,
      previous_until = case when p_rotate then v_now + interval '1 day' else known.previous_until end,
      updated_by = excluded.updated_by,
      updated_at = excluded.updated_at
  returning * into v_endpoint;
  if not p_active then
    perform batchline.drop_notices(v_user.agency_id, v_reason);
  end if;
  return public.notice_endpoint_json(v_endpoint) || jsonb_build_object('secret_seed', v_endpoint.secret_seed);
end;
$$;

-- One notice of a batch that is final, or all of the batch's that failed: sent once more, with as many attempts as a new
-- one. They take their old places, before what waits.
create or replace function batchline.replay_notices(p_user_id uuid, p_batch_id uuid, p_notice_id uuid)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_batch public.call_batches := batchline.require_batch(v_user.agency_id, p_batch_id);
  v_replayed int;
begin
  if p_notice_id is not null and not exists (select from public.notices where id = p_notice_id and batch_id = v_batch.id) then
    perform batchline.refuse(404, 'notice_not_found', 'Notice not found or is not one of the batch');
  end if;
  if not exists (select from public.notice_endpoints where agency_id = v_user.agency_id and active) then
    perform batchline.refuse(400, 'no_notice_endpoint', 'There is no active endpoint to send notices to');
  end if;
  update public.notices
  set status = 'waiting', attempts = 0, next_attempt_at = batchline.clock(), finished_at = null
  where batch_id = v_batch.id
    and case when p_notice_id is null then status = 'failed' else id = p_notice_id and status <> 'waiting' end;
  get diagnostics v_replayed = row_count;
  return jsonb_build_object('replayed', v_replayed);
end;
$$;

-- What the agency reads, in the form of Standard Webhooks. Who the person is, and how far the batch has come, is read
-- now: a person who was erased meanwhile is not told of any more.
create or replace function batchline.notice_body(p_notice public.notices)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'type', p_notice.event,
    'timestamp', public.iso_utc(p_notice.created_at),
    'data', p_notice.data || jsonb_build_object('batch_id', batch.id, 'batch_name', batch.name) || case
      when contact.id is null then jsonb_build_object(
        'campaign_id', batch.campaign_id,
        'total_contacts', batch.total_contacts,
        'completed', batch.completed,
        'failed', batch.failed,
        'skipped', batch.skipped
      )
      else jsonb_build_object(
        'contact_id', contact.id,
        'phone_number', contact.phone_number,
        'first_name', contact.first_name,
        'last_name', contact.last_name,
        'custom_data', contact.custom_data,
        'reason', contact.reason
      )
    end
  )
  from public.call_batches as batch
  left join public.campaign_contacts as contact on contact.id = p_notice.contact_id
  where batch.id = p_notice.batch_id;
$$;

-- How long after its n-th failure a notice is sent again, as the Standard Webhooks text proposes; null: it is given up.
create or replace function batchline.notice_delay(p_failures int)
returns interval
language sql immutable set search_path = ''
as $$
  select (
    array['5 seconds', '5 minutes', '30 minutes', '2 hours', '5 hours', '10 hours', '14 hours', '20 hours', '24 hours']
  )[p_failures]::interval;
$$;

-- What a worker needs to send these, batch by batch.
create or replace function batchline.claimed_notices(p_ids uuid[], p_now timestamptz)
returns jsonb
language sql stable
set search_path = '' set enable_seqscan = off set enable_sort = on set jit = off  -- whatever the caller has set
as $$
  select coalesce(jsonb_agg(line), '[]')
  from (
    select jsonb_build_object(
      'batch_id', notice.batch_id,
      'agency_id', endpoint.agency_id,
      'url', endpoint.url,
      'seed', endpoint.secret_seed,
      'secret_hash', endpoint.secret_hash,
      'previous_seed', case when endpoint.previous_until > p_now then endpoint.previous_seed end,
      'notices', jsonb_agg(
        jsonb_build_object('id', notice.id, 'body', batchline.notice_body(notice)) order by notice.seq
      )
    ) as line
    from public.notices as notice
    join public.notice_endpoints as endpoint using (agency_id)
    where notice.id = any (p_ids)
    group by notice.batch_id, endpoint.agency_id
  ) as lines;
$$;

-- The next notice of every batch that has one waiting: one step down the index for each, however many wait.
create or replace function batchline.next_notices()
returns table (batch_id uuid, next_attempt_at timestamptz, claimed_until timestamptz)
language sql stable set search_path = '' set enable_seqscan = off set enable_sort = off set jit = off
as $$
  with recursive next as (
    (
      select notice.batch_id, notice.next_attempt_at, notice.claimed_until
      from public.notices as notice
      where notice.status = 'waiting'
      order by notice.batch_id, notice.seq
      limit 1
    )
    union all
    select following.*
    from next
    cross join lateral (
      select notice.batch_id, notice.next_attempt_at, notice.claimed_until
      from public.notices as notice
      where notice.status = 'waiting' and notice.batch_id > next.batch_id
      order by notice.batch_id, notice.seq
      limit 1
    ) as following
  )
  select * from next;
$$;

-- The first notices of batches whose next one is due, each batch's in order and in one worker's hands until its lease is
-- over: a later notice waits for an earlier one. Also says in how many seconds the next batch is due (null: none waits).
create or replace function batchline.claim_notices(p_worker text, p_batches int, p_length int, p_lease_seconds double precision)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_sort = off set jit = off
as $$
declare
  v_now timestamptz;
  v_due uuid[];
  v_claimed uuid[];
begin
  -- In a statement of its own: one that counted and locked would have a snapshot older than the lock.
  perform pg_advisory_xact_lock(hashtextextended('batchline.notices', 0));
  v_now := batchline.clock();
  delete from public.notices
  where id = any (
    array(
      select id from public.notices where finished_at < v_now - interval '30 days' order by finished_at limit 1000
    )
  );

  v_due := array(
    select batch_id from batchline.next_notices()
    where next_attempt_at <= v_now and coalesce(claimed_until, '-infinity') <= v_now
    order by next_attempt_at
    limit p_batches
  );
  v_claimed := array(
    select line.id
    from unnest(v_due) as due (batch_id)
    cross join lateral (
      select id from public.notices
      where batch_id = due.batch_id and status = 'waiting'
      order by seq
      limit p_length
    ) as line
  );
  update public.notices
  set claimed_by = p_worker, claimed_until = v_now + make_interval(secs => p_lease_seconds)
  where id = any (v_claimed);

  return jsonb_build_object(
    'batches', batchline.claimed_notices(v_claimed, v_now),
    'next_in', (
      select extract(epoch from min(greatest(next_attempt_at, claimed_until)) - v_now)
      from batchline.next_notices()
      where batch_id <> all (v_due)
    )
  );
end;
$$;

-- What became of the notices of one batch that a worker had in hand, in their order; what it did not come to is given
-- back. A worker whose lease was taken over changes nothing. The answer says how many became what.
create or replace function batchline.record_notices(p_worker text, p_batch_id uuid, p_url text, p_results jsonb)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_counts jsonb;
begin
  with result as (
    select * from jsonb_to_recordset(p_results)
      as result (id uuid, delivered boolean, answer int, error text, retry_after_seconds double precision)
  ), recorded as (
    update public.notices as notice
    set status = case
          when delivered then 'delivered' when batchline.notice_delay(attempts + 1) is null then 'failed' else 'waiting'
        end,
        attempts = attempts + 1,
        next_attempt_at = case
          when delivered then next_attempt_at
          -- Up to a tenth later, so that what failed together does not come back together.
          else v_now + coalesce(
            greatest(batchline.notice_delay(attempts + 1), make_interval(secs => retry_after_seconds)), '0'
          ) * (1 + random() / 10)
        end,
        last_answer = answer,
        last_error = error,
        finished_at = case when delivered or batchline.notice_delay(attempts + 1) is null then v_now end,
        claimed_by = null,
        claimed_until = null
    from result
    where notice.id = result.id and notice.batch_id = p_batch_id and claimed_by = p_worker and status = 'waiting'
    returning notice.status, notice.agency_id, answer
  )
  select jsonb_build_object(
           'delivered', count(*) filter (where status = 'delivered'),
           'failed', count(*) filter (where status = 'failed'),
           'waiting', count(*) filter (where status = 'waiting'),
           'gone', max(agency_id::text) filter (where answer = 410)
         )
  into v_counts
  from recorded;

  update public.notices
  set claimed_by = null, claimed_until = null
  where batch_id = p_batch_id and claimed_by = p_worker and status = 'waiting';
  if v_counts ->> 'gone' is not null then  -- the receiver's own way of saying that it wants no more
    update public.notice_endpoints
    set active = false, disabled_reason = 'The endpoint answered 410 Gone', updated_at = v_now, updated_by = null
    where agency_id = (v_counts ->> 'gone')::uuid and active and url = p_url;
    if found then
      perform batchline.drop_notices((v_counts ->> 'gone')::uuid, 'The endpoint answered 410 Gone');
    end if;
  end if;
  return v_counts - 'gone';
end;
$$;

-- The agency's agents as the provider lists them, all of them: new ones are made, changed ones follow, and who is not on
-- the list any more is inactive, until they are on it again. One that was made inactive for another reason stays so.
create or replace function batchline.sync_agents(p_user_id uuid, p_agents jsonb)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users;
  v_now timestamptz;
  v_counts jsonb;
begin
  -- Asked and counted by authorize before the provider was; what has changed since is asked here.
  select * into v_user from public.users where id = p_user_id and role in ('agency_owner', 'agency_admin');
  if v_user.agency_id is null then
    perform batchline.refuse(403, 'forbidden', 'User role is not agency_owner or agency_admin');
  end if;
  perform batchline.lock_agency(v_user.agency_id);
  v_now := batchline.clock();
  with listed as (
    select * from jsonb_to_recordset(p_agents)
      as agent (id text, name text, max_duration_seconds int, recording_enabled boolean)
  ), created as (
    insert into public.agent_mappings (agency_id, ultravox_agent_id, name, max_duration_seconds, recording_enabled)
    select v_user.agency_id, id, name, max_duration_seconds, recording_enabled
    from listed
    on conflict on constraint agent_mapping_is_unique_per_agency do nothing
    returning id
  ), updated as (
    update public.agent_mappings as known
    set name = listed.name,
        max_duration_seconds = listed.max_duration_seconds,
        recording_enabled = listed.recording_enabled,
        active = known.active or known.gone_at is not null,
        gone_at = null
    from listed
    where known.agency_id = v_user.agency_id and known.ultravox_agent_id = listed.id
      and (known.name, known.max_duration_seconds, known.recording_enabled, known.gone_at)
        is distinct from (listed.name, listed.max_duration_seconds, listed.recording_enabled, null)
    returning known.id
  ), gone as (
    update public.agent_mappings
    set active = false, gone_at = v_now
    where agency_id = v_user.agency_id and active and ultravox_agent_id not in (select id from listed)
    returning id
  )
  select jsonb_build_object(
    'created', (select count(*) from created),
    'updated', (select count(*) from updated),
    'unchanged',
      (select count(*) from listed) - (select count(*) from created) - (select count(*) from updated),
    'deactivated', (select count(*) from gone)
  )
  into v_counts;
  return v_counts;
end;
$$;

-- An agency as an operator sees it.
create or replace function batchline.agency_json(p_agency public.agencies)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'agency_id', p_agency.id,
    'public_id', p_agency.public_id,
    'name', p_agency.name,
    'max_calls_per_minute', p_agency.max_calls_per_minute,
    'max_concurrent_calls', p_agency.max_concurrent_calls,
    'default_calls_per_minute', p_agency.default_calls_per_minute,
    'default_max_concurrent', p_agency.default_max_concurrent,
    'max_requests_per_minute', p_agency.max_requests_per_minute,
    'created_at', public.iso_utc(p_agency.created_at)
  );
$$;

-- The agency that an operator names, its row locked.
create or replace function batchline.require_agency(p_agency_id uuid)
returns public.agencies
language plpgsql volatile set search_path = ''
as $$
declare
  v_agency public.agencies;
begin
  select * into v_agency from public.agencies where id = p_agency_id for no key update;
  if not found then
    perform batchline.refuse(404, 'agency_not_found', 'There is no agency with this id');
  end if;
  return v_agency;
end;
$$;

-- A new tenant, whose id its maker chooses: asked for again, it is there already, and nothing changes.
create or replace function batchline.add_agency(p_id uuid, p_name text, p_public_id text default null)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_agency public.agencies;
begin
  insert into public.agencies (id, name, public_id)
  values (p_id, p_name, coalesce(p_public_id, substr(replace(gen_random_uuid()::text, '-', ''), 1, 20)))
  on conflict (id) do nothing;
  select * into v_agency from public.agencies where id = p_id;
  return batchline.agency_json(v_agency);
end;
$$;

-- What an agency's plan allows; null leaves a limit as it is.
create or replace function batchline.set_limits(
  p_agency_id uuid, p_max_calls_per_minute int default null, p_max_concurrent_calls int default null,
  p_default_calls_per_minute int default null, p_default_max_concurrent int default null,
  p_max_requests_per_minute int default null
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_agency public.agencies := batchline.require_agency(p_agency_id);
begin
  update public.agencies
  set max_calls_per_minute = coalesce(p_max_calls_per_minute, max_calls_per_minute),
      max_concurrent_calls = coalesce(p_max_concurrent_calls, max_concurrent_calls),
      default_calls_per_minute = coalesce(p_default_calls_per_minute, default_calls_per_minute),
      default_max_concurrent = coalesce(p_default_max_concurrent, default_max_concurrent),
      max_requests_per_minute = coalesce(p_max_requests_per_minute, max_requests_per_minute)
  where id = v_agency.id
  returning * into v_agency;
  return batchline.agency_json(v_agency);
end;
$$;

-- Gives a person who can sign in (auth.users) a role in an agency, or changes it. Who belongs to another agency stays
-- there: nobody is moved by a slip. Without an agency the person may sign in and see nothing.
create or replace function batchline.add_user(
  p_id uuid, p_agency_id uuid, p_role text, p_email text, p_full_name text default null
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users;
begin
  if p_agency_id is not null then
    perform batchline.require_agency(p_agency_id);
  end if;
  insert into public.users as known (id, agency_id, role, email, full_name)
  values (p_id, p_agency_id, p_role, p_email, p_full_name)
  on conflict (id) do update
  set agency_id = excluded.agency_id,
      role = excluded.role,
      email = excluded.email,
      full_name = coalesce(excluded.full_name, known.full_name)
  where known.agency_id is null or known.agency_id = excluded.agency_id
  returning * into v_user;
  if not found then
    perform batchline.refuse(409, 'user_of_another_agency', 'The user belongs to another agency');
  end if;
  return jsonb_build_object(
    'user_id', v_user.id, 'agency_id', v_user.agency_id, 'role', v_user.role, 'email', v_user.email,
    'full_name', v_user.full_name
  );
exception when foreign_key_violation then  -- auth.users is the Auth server's own, and not read here
  perform batchline.refuse(404, 'sign_in_not_found', 'Nobody can sign in with this id');
end;
$$;

-- A caller id of the agency and the carrier behind it; given again, it changes the carrier, and is active.
create or replace function batchline.add_number(
  p_agency_id uuid, p_phone_number text, p_provider text default 'twilio', p_sip_domain text default null
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_agency public.agencies := batchline.require_agency(p_agency_id);
  v_number public.agency_phone_numbers;
begin
  insert into public.agency_phone_numbers (agency_id, phone_number, provider, sip_domain)
  values (v_agency.id, p_phone_number, p_provider, p_sip_domain)
  on conflict on constraint phone_number_is_unique_per_agency do update
  set provider = excluded.provider, sip_domain = excluded.sip_domain, active = true
  returning * into v_number;
  return jsonb_build_object(
    'id', v_number.id, 'agency_id', v_number.agency_id, 'phone_number', v_number.phone_number,
    'provider', v_number.provider, 'sip_domain', v_number.sip_domain, 'active', v_number.active
  );
end;
$$;

revoke all on function
  batchline.add_agency(uuid, text, text),
  batchline.add_number(uuid, text, text, text),
  batchline.add_user(uuid, uuid, text, text, text),
  batchline.agency_json(public.agencies),
  batchline.claim_notices(text, int, int, double precision),
  batchline.claimed_notices(uuid[], timestamptz),
  batchline.drop_notices(uuid, text),
  batchline.next_notices(),
  batchline.note_batch(),
  batchline.note_contacts(),
  batchline.notice_body(public.notices),
  batchline.notice_delay(int),
  batchline.record_notices(text, uuid, text, jsonb),
  batchline.replay_notices(uuid, uuid, uuid),
  batchline.require_agency(uuid),
  batchline.set_limits(uuid, int, int, int, int, int),
  batchline.set_notice_endpoint(uuid, text, text[], boolean, boolean, text, text),
  batchline.sync_agents(uuid, jsonb),
  public.list_notices(text, uuid, int, bigint),
  public.notice_endpoint_json(public.notice_endpoints),
  public.notice_json(public.notices)
from public, anon, authenticated;
grant execute on function
  batchline.add_agency(uuid, text, text),
  batchline.add_number(uuid, text, text, text),
  batchline.add_user(uuid, uuid, text, text, text),
  batchline.agency_json(public.agencies),
  batchline.claim_notices(text, int, int, double precision),
  batchline.claimed_notices(uuid[], timestamptz),
  batchline.drop_notices(uuid, text),
  batchline.next_notices(),
  batchline.note_batch(),
  batchline.note_contacts(),
  batchline.notice_body(public.notices),
  batchline.notice_delay(int),
  batchline.record_notices(text, uuid, text, jsonb),
  batchline.replay_notices(uuid, uuid, uuid),
  batchline.require_agency(uuid),
  batchline.set_limits(uuid, int, int, int, int, int),
  batchline.set_notice_endpoint(uuid, text, text[], boolean, boolean, text, text),
  batchline.sync_agents(uuid, jsonb),
  public.list_notices(text, uuid, int, bigint),
  public.notice_endpoint_json(public.notice_endpoints),
  public.notice_json(public.notices)
to service_role;
grant execute on function
  public.notice_json(public.notices),
  public.notice_endpoint_json(public.notice_endpoints),
  public.list_notices(text, uuid, int, bigint)
to authenticated;
