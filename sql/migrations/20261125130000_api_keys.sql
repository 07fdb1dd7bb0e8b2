set local lock_timeout = '4s';
set local statement_timeout = '30s';

alter table public.agencies
  add column default_calls_per_minute int not null default 30,
  add column default_max_concurrent int not null default 10,
  add constraint default_pace_is_positive check (default_calls_per_minute > 0 and default_max_concurrent > 0);
grant select (default_calls_per_minute, default_max_concurrent) on public.agencies to authenticated;

-- A stored column rewrites the table, which is small: a row for each batch.
alter table public.call_batches
  add column timezone text not null default 'UTC',
  add column tasks_object text,
  add column edited_at timestamptz,
  add column deleted_at timestamptz,
  add column updated_at timestamptz generated always as (
    greatest(created_at, edited_at, started_at, resumed_at, paused_at, completed_at, deleted_at)
  ) stored,
  add constraint deleted_only_as_draft_or_when_final check (
    deleted_at is null or status in ('draft', 'completed', 'failed', 'cancelled')
  );
create index campaign_contacts_called_idx on public.campaign_contacts (batch_id)
  where attempts > 0 and status in ('queued', 'failed', 'skipped');

alter policy call_batches_are_read_by_their_agency on public.call_batches
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())) and deleted_at is null);
alter policy contacts_are_read_by_their_agency on public.campaign_contacts
  using (
    agency_id = (select agency_id from public.users where id = (select auth.uid()))
    and exists (select from public.call_batches as batch where batch.id = batch_id)
  );

drop function batchline.require_agent(uuid, uuid);

create table public.api_keys (
  id uuid primary key default gen_random_uuid(),
  agency_id uuid not null references public.agencies (id),
  name text not null,
  api_key text not null default 'bl_key_' || replace(gen_random_uuid()::text, '-', ''),  -- its public half
  secret_hash bytea not null,  -- SHA-256: the secret has 256 random bits, so nothing slower is needed
  created_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default batchline.clock(),
  last_used_at timestamptz,  -- to the minute
  revoked_at timestamptz,
  constraint api_key_is_unique unique (api_key),
  constraint secret_hash_is_a_sha256 check (octet_length(secret_hash) = 32)
);
comment on table public.api_keys is 'Keys with which programs of an agency call the batch-call endpoints.';
create index api_keys_agency_idx on public.api_keys (agency_id, created_at desc);
create index api_keys_created_by_idx on public.api_keys (created_by);

create policy api_keys_are_read_by_their_agency on public.api_keys for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));
alter table public.api_keys enable row level security;
revoke all on public.api_keys from anon, authenticated;
grant select, insert, update, delete on public.api_keys to service_role;
grant select (id, agency_id, name, api_key, created_by, created_at, last_used_at, revoked_at)
  on public.api_keys to authenticated;

create table public.idempotent_answers (
  agency_id uuid not null references public.agencies (id),
  endpoint text not null,
  key text not null,  -- the client's Idempotency-Key
  fingerprint text not null,  -- what the body meant: a hash of the validated model
  answer jsonb not null,
  created_at timestamptz not null default batchline.clock(),
  primary key (agency_id, endpoint, key)
);
comment on table public.idempotent_answers is
  'What was answered to requests that created something, kept 7 days, so that a repeated one creates nothing.';
create index idempotent_answers_age_idx on public.idempotent_answers (agency_id, created_at);
alter table public.idempotent_answers enable row level security;
revoke all on public.idempotent_answers from anon, authenticated;
grant select, insert, update, delete on public.idempotent_answers to service_role;

drop function batchline.create_call_batch(uuid, jsonb);

alter table public.call_events drop constraint event_is_known;
alter table public.call_events add constraint event_is_known check (
  event in (
    'created', 'started', 'paused', 'resumed', 'cancelled', 'completed', 'failed',
    'claimed', 'released', 'begun', 'accepted', 'refused', 'throttled', 'unknown', 'asked', 'adopted', 'answered',
    'ended', 'requeued', 'deferred', 'skipped', 'not_placed', 'late_acceptance', 'executed', 'edited', 'deleted',
    'call.started', 'call.joined', 'call.ended', 'call.billed'
  )
) not valid;
alter table public.call_events validate constraint event_is_known;

-- An API key as every answer shows it.
create or replace function public.api_key_json(p_key public.api_keys)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_key.id,
    'name', p_key.name,
    'api_key', p_key.api_key,
    'created_by', p_key.created_by,
    'created_at', public.iso_utc(p_key.created_at),
    'last_used_at', public.iso_utc(p_key.last_used_at),
    'revoked_at', public.iso_utc(p_key.revoked_at)
  );
$$;

-- All keys of the caller's agency, newest first, revoked ones too. Column by column: users may not read the whole row.
create or replace function public.list_api_keys()
returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_agency_id uuid := public.my_agency_id();
begin
  return (
    select coalesce(
      jsonb_agg(
        public.api_key_json(
          row(
            key.id, key.agency_id, key.name, key.api_key, null::bytea, key.created_by, key.created_at,
            key.last_used_at, key.revoked_at
          )::public.api_keys
        )
        order by key.created_at desc, key.id
      ),
      '[]'
    )
    from public.api_keys as key
    where key.agency_id = v_agency_id
  );
end;
$$;

-- Who asks with an API key, as the key is now. The secret comes hashed. Before the two hashes are compared both are
-- hashed once more, with a salt of the moment, so that the time which the comparison takes says nothing about either;
-- a key that does not exist is compared all the same.
create or replace function batchline.require_api_key(p_api_key text, p_secret_hash text)
returns public.api_keys
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_salt bytea := uuid_send(gen_random_uuid());
  v_key public.api_keys;
begin
  select * into v_key from public.api_keys where api_key = p_api_key and revoked_at is null;
  if sha256(v_salt || coalesce(v_key.secret_hash, '')) <> sha256(v_salt || decode(p_secret_hash, 'hex')) then
    perform batchline.refuse(401, 'unauthorized', 'Missing or invalid API key or secret');
  end if;
  -- One of many requests at once writes it down; the others do not wait.
  update public.api_keys
  set last_used_at = v_now
  where id = (
    select id from public.api_keys
    where id = v_key.id and coalesce(last_used_at, '-infinity') < v_now - interval '1 minute'
    for no key update skip locked
  );
  return v_key;
end;
$$;

-- The answer to an earlier request with the same key, or null: then the caller does the work and keeps its answer, in
-- this transaction. Of two at once the second is refused rather than kept waiting. The lock ends with its transaction,
-- so a request that died locks nobody out; it is only tried, so it has no place in the order of locks.
create or replace function batchline.recall_answer(p_agency_id uuid, p_endpoint text, p_once jsonb)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_kept public.idempotent_answers;
begin
  if p_once is null then
    return null;
  end if;
  if not pg_try_advisory_xact_lock(
    hashtextextended(concat_ws(':', 'batchline.once', p_agency_id, p_endpoint, p_once ->> 'key'), 0)
  ) then
    perform batchline.refuse(
      409, 'request_in_progress', 'A request with this Idempotency-Key is still running; repeat it in a moment'
    );
  end if;
  select * into v_kept
  from public.idempotent_answers
  where agency_id = p_agency_id and endpoint = p_endpoint and key = p_once ->> 'key'
    and created_at > batchline.clock() - interval '7 days';
  if v_kept.fingerprint <> p_once ->> 'fingerprint' then
    perform batchline.refuse(
      422, 'idempotency_key_reused', 'This Idempotency-Key was used before, with another body'
    );
  end if;
  return v_kept.answer || '{"replayed": true}';
end;
$$;

-- For a request that is refused before it reaches its verb: 401 still comes before 400.
create or replace function batchline.authorize_api_key(p_api_key text, p_secret_hash text)
returns jsonb
language sql volatile set search_path = ''
as $$
  select jsonb_build_object('agency_id', key.agency_id)
  from batchline.require_api_key(p_api_key, p_secret_hash) as key;
$$;

-- Keeps the answer of a request for those that repeat it, and throws away some of the agency's that are too old.
create or replace function batchline.keep_answer(p_agency_id uuid, p_endpoint text, p_once jsonb, p_answer jsonb)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
begin
  if p_once is not null then
    delete from public.idempotent_answers
    where ctid in (
      select ctid from public.idempotent_answers
      where agency_id = p_agency_id and created_at <= v_now - interval '7 days'
      limit 100
      for update skip locked
    );
    insert into public.idempotent_answers (agency_id, endpoint, key, fingerprint, answer, created_at)
    values (p_agency_id, p_endpoint, p_once ->> 'key', p_once ->> 'fingerprint', p_answer, v_now)
    on conflict (agency_id, endpoint, key) do update  -- too old, and not thrown away yet
    set fingerprint = excluded.fingerprint, answer = excluded.answer, created_at = excluded.created_at;
  end if;
  return p_answer;
end;
$$;

-- The batch of a request, with the agency and the batch row locked in that order.
create or replace function batchline.require_batch(p_agency_id uuid, p_batch_id uuid)
returns public.call_batches
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  perform batchline.lock_agency(p_agency_id);
  select * into v_batch
  from public.call_batches
  where id = p_batch_id and agency_id = p_agency_id and deleted_at is null
  for no key update;
  if not found then
    perform batchline.refuse(404, 'batch_not_found', 'Batch not found or does not belong to the user''s agency');
  end if;
  return v_batch;
end;
$$;

-- What a batch is made of. Another agency's id reads as not found, and so does an inactive one.
create or replace function batchline.require_agent(p_agency_id uuid, p_id uuid, p_field text default 'agent_mapping_id')
returns public.agent_mappings
language plpgsql stable set search_path = ''
as $$
declare
  v_agent public.agent_mappings;
begin
  select * into v_agent from public.agent_mappings where id = p_id and agency_id = p_agency_id and active;
  if not found then
    perform batchline.refuse(
      404, 'agent_not_found', p_field || ': agent not found or does not belong to the user''s agency'
    );
  end if;
  return v_agent;
end;
$$;

-- When a batch is to start: null is now. A time up to five minutes ago is a client that was slow, not a mistake.
create or replace function batchline.start_time(p_time timestamptz, p_field text)
returns timestamptz
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
begin
  if p_time < v_now - interval '5 minutes' then
    perform batchline.refuse(400, 'bad_request', p_field || ' must not lie in the past', jsonb_build_object('field', p_field));
  end if;
  return case when p_time > v_now then p_time end;
end;
$$;

-- A batch as the answer to its creation shows it.
create or replace function batchline.created_batch_json(p_batch_id uuid, p_duplicates_removed int)
returns jsonb
language sql stable set search_path = ''
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
    'created_at', public.iso_utc(batch.created_at)
  )
  from public.v_call_batch_summary as batch
  where batch.id = p_batch_id;
$$;

-- draft, scheduled -> pending, or -> scheduled where p_start_at is still to come; nothing is dialled before.
create or replace function batchline.execute_batch(p_batch public.call_batches, p_start_at timestamptz, p_actor uuid)
returns public.call_batches
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  update public.call_batches
  set status = case when p_start_at is null then 'pending' else 'scheduled' end, scheduled_for = p_start_at,
      edited_at = batchline.clock()
  where id = p_batch.id and status in ('draft', 'scheduled')
  returning * into v_batch;
  if found then
    perform batchline.log_batch_event(v_batch, 'executed', p_actor => p_actor);
  end if;
  return v_batch;
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
  perform batchline.require_pace(
    v_agency, (p_batch ->> 'calls_per_minute')::int, (p_batch ->> 'max_concurrent')::int
  );

  insert into public.call_batches (
    status, agency_id, campaign_id, agent_mapping_id, name, from_number, calls_per_minute, max_concurrent,
    retry, scheduled_for, created_by
  )
  values (
    case when p_batch ->> 'status' = 'draft' then 'draft' when v_start_at is null then 'pending' else 'scheduled' end,
    v_agency.id, v_campaign.id, v_agent.id, p_batch ->> 'name', p_batch ->> 'from_number',
    (p_batch ->> 'calls_per_minute')::int, (p_batch ->> 'max_concurrent')::int,
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

-- A draft starts: at its time where that is still to come, else as soon as the processor runs.
create or replace function batchline.execute_call_batch(p_user_id uuid, p_batch_id uuid)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_batch public.call_batches := batchline.require_batch(v_user.agency_id, p_batch_id);
begin
  if v_batch.status <> 'draft' then
    perform batchline.refuse(400, 'batch_not_draft', 'Batch is not a draft (only draft batches can be executed)');
  end if;
  v_batch := batchline.execute_batch(
    v_batch, case when v_batch.scheduled_for > batchline.clock() then v_batch.scheduled_for end, v_user.id
  );
  return jsonb_build_object(
    'success', true,
    'batch_id', v_batch.id,
    'status', v_batch.status,
    'scheduled_for', public.iso_utc(v_batch.scheduled_for),
    'message', case v_batch.status
      when 'scheduled' then 'Batch scheduled to start at ' || public.iso_utc(v_batch.scheduled_for)
      else 'Batch executed. The processor will start making calls on the next run.'
    end
  );
end;
$$;

-- p_seed: what the secret can be worked out from again, though not without a key that the database does not have. It is
-- kept for a repeated request only, which is to have the same answer.
create or replace function batchline.create_api_key(
  p_user_id uuid, p_name text, p_secret_hash text, p_seed text, p_once jsonb default null
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_answer jsonb := batchline.recall_answer(v_user.agency_id, 'api-keys-create', p_once);
  v_key public.api_keys;
begin
  if v_answer is not null then
    return v_answer;
  end if;
  insert into public.api_keys (agency_id, name, secret_hash, created_by)
  values (v_user.agency_id, p_name, decode(p_secret_hash, 'hex'), v_user.id)
  returning * into v_key;
  return batchline.keep_answer(
    v_user.agency_id, 'api-keys-create', p_once,
    public.api_key_json(v_key) || jsonb_build_object('seed', p_seed, 'secret_hash', p_secret_hash)
  );
end;
$$;

-- From its commit on the key opens nothing. Repeated, it changes nothing.
create or replace function batchline.revoke_api_key(p_user_id uuid, p_id uuid)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_key public.api_keys;
begin
  update public.api_keys
  set revoked_at = coalesce(revoked_at, batchline.clock())
  where id = p_id and agency_id = v_user.agency_id
  returning * into v_key;
  if not found then
    perform batchline.refuse(404, 'api_key_not_found', 'API key not found or does not belong to the user''s agency');
  end if;
  return public.api_key_json(v_key);
end;
$$;

-- A batch as programs see it, in our own words; shared/batch_calls.py puts it into theirs.
create or replace function batchline.batch_call_json(p_batch public.call_batches)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_batch.id,
    'name', p_batch.name,
    'from_number', p_batch.from_number,
    'scheduled_for', public.iso_utc(p_batch.scheduled_for),
    'total_contacts', p_batch.total_contacts,
    'called', p_batch.completed + p_batch.in_progress + (
      select count(*)
      from public.campaign_contacts
      where batch_id = p_batch.id and attempts > 0 and status in ('queued', 'failed', 'skipped')
    ),
    'answered', p_batch.completed,
    'finished', p_batch.completed + p_batch.failed + p_batch.skipped,
    'agent_mapping_id', p_batch.agent_mapping_id,
    'organization_id', agency.public_id,
    'status', p_batch.status,
    'timezone', p_batch.timezone,
    'last_called_at', public.iso_utc((select max(began_at) from public.calls where batch_id = p_batch.id)),
    'tasks_object', p_batch.tasks_object,
    'created_at', public.iso_utc(p_batch.created_at)
  )
  from public.agencies as agency
  where agency.id = p_batch.agency_id;
$$;

create or replace function batchline.find_batch_call(p_agency_id uuid, p_batch_id uuid)
returns public.call_batches
language plpgsql stable set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  select * into v_batch
  from public.call_batches
  where id = p_batch_id and agency_id = p_agency_id and deleted_at is null;
  if not found then
    perform batchline.refuse(404, 'batch_call_not_found', 'Batch call not found');
  end if;
  return v_batch;
end;
$$;

-- As find_batch_call, with the agency and the batch row locked in that order.
create or replace function batchline.require_batch_call(p_agency_id uuid, p_batch_id uuid)
returns public.call_batches
language plpgsql volatile set search_path = ''
as $$
begin
  perform batchline.lock_agency(p_agency_id);
  perform from public.call_batches where id = p_batch_id and agency_id = p_agency_id for no key update;
  return batchline.find_batch_call(p_agency_id, p_batch_id);
end;
$$;

-- When a program's batch starts, from what it asked for. Where that is contradictory nobody is called.
create or replace function batchline.batch_call_start(
  p_status text, p_time timestamptz, p_send_now boolean, out status text, out start_at timestamptz
)
language plpgsql volatile set search_path = ''
as $$
begin
  if p_status = 'draft' then
    if p_send_now then
      perform batchline.refuse(400, 'bad_request', 'send_now cannot be true for a draft', '{"field": "send_now"}');
    end if;
    status := 'draft';
    start_at := p_time;  -- of no meaning before it is executed or scheduled, so it may lie in the past
    return;
  end if;
  if not p_send_now then
    if p_status = 'scheduled' and (p_time is null or p_time <= batchline.clock()) then
      perform batchline.refuse(
        400, 'bad_request', 'trigger_timestamp must lie in the future where status is scheduled',
        '{"field": "trigger_timestamp"}'
      );
    end if;
    start_at := batchline.start_time(p_time, 'trigger_timestamp');
  end if;
  status := case when start_at is null then 'pending' else 'scheduled' end;
end;
$$;

-- create_call_batch for programs. The id comes from outside, since the list is in object storage under it by now.
create or replace function batchline.create_batch_call(
  p_api_key text, p_secret_hash text, p_batch jsonb, p_once jsonb default null
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_key public.api_keys := batchline.require_api_key(p_api_key, p_secret_hash);
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

  insert into public.call_batches (
    id, status, agency_id, agent_mapping_id, name, from_number, calls_per_minute, max_concurrent, retry,
    scheduled_for, timezone, tasks_object, created_by
  )
  values (
    (p_batch ->> 'id')::uuid, v_start.status, v_agency.id, v_agent.id, p_batch ->> 'name', p_batch ->> 'from_number',
    v_agency.default_calls_per_minute, v_agency.default_max_concurrent, batchline.default_retry(),
    v_start.start_at, p_batch ->> 'timezone', p_batch ->> 'tasks_object', v_key.created_by
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

-- All of the agency's batches, also those that people made. With the plan made for these arguments, of the orders only
-- the one asked for is left; newest first is an index's own order.
create or replace function batchline.list_batch_calls(
  p_api_key text, p_secret_hash text, p_limit int, p_offset bigint, p_sort_by text, p_ascending boolean
)
returns jsonb
language plpgsql volatile set search_path = '' set plan_cache_mode = force_custom_plan
as $$
declare
  v_key public.api_keys := batchline.require_api_key(p_api_key, p_secret_hash);
  v_total bigint;
  v_page jsonb;
begin
  select count(*) into v_total
  from public.call_batches
  where agency_id = v_key.agency_id and deleted_at is null;

  select coalesce(jsonb_agg(batchline.batch_call_json(page.batch) order by page.place), '[]')
  into v_page
  from (
    select found.batch, row_number() over () as place
    from (
      select batch
      from public.call_batches as batch
      where agency_id = v_key.agency_id and deleted_at is null
      order by
        case when p_ascending and p_sort_by = 'created_at' then created_at end,
        case when not p_ascending and p_sort_by = 'created_at' then created_at end desc,
        case when p_ascending and p_sort_by = 'updated_at' then updated_at end,
        case when not p_ascending and p_sort_by = 'updated_at' then updated_at end desc,
        case when p_ascending and p_sort_by = 'name' then name end,
        case when not p_ascending and p_sort_by = 'name' then name end desc nulls last,
        case when p_ascending then id end,
        case when not p_ascending then id end desc
      limit p_limit offset p_offset
    ) as found
  ) as page;
  return jsonb_build_object('batches', v_page, 'total', v_total);
end;
$$;

create or replace function batchline.get_batch_call(p_api_key text, p_secret_hash text, p_batch_id uuid)
returns jsonb
language sql volatile set search_path = ''
as $$
  select batchline.batch_call_json(batchline.find_batch_call(key.agency_id, p_batch_id))
  from batchline.require_api_key(p_api_key, p_secret_hash) as key;
$$;

-- A page of a batch's contacts, in list order; the total comes from the counters.
create or replace function batchline.list_batch_call_tasks(
  p_api_key text, p_secret_hash text, p_batch_id uuid, p_limit int, p_offset bigint
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_key public.api_keys := batchline.require_api_key(p_api_key, p_secret_hash);
  v_batch public.call_batches := batchline.find_batch_call(v_key.agency_id, p_batch_id);
begin
  return (
    select jsonb_build_object(
      'total', v_batch.total_contacts,
      'contacts', coalesce(
        jsonb_agg(
          jsonb_build_object(
            'id', page.id,
            'phone_number', page.phone_number,
            'status', page.status,
            'call_id', page.call_id,
            'reason', page.reason,
            'created_at', public.iso_utc(page.created_at)
          )
          order by page.position
        ),
        '[]'
      )
    )
    from (
      select * from public.campaign_contacts
      where batch_id = p_batch_id
      order by position
      limit p_limit offset p_offset
    ) as page
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
  v_key public.api_keys := batchline.require_api_key(p_api_key, p_secret_hash);
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

-- A draft or a scheduled batch starts as soon as the processor runs.
create or replace function batchline.execute_batch_call(p_api_key text, p_secret_hash text, p_batch_id uuid)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_key public.api_keys := batchline.require_api_key(p_api_key, p_secret_hash);
  v_batch public.call_batches := batchline.require_batch_call(v_key.agency_id, p_batch_id);
begin
  v_batch := batchline.execute_batch(v_batch, null, v_key.created_by);
  if v_batch.id is null then
    perform batchline.refuse(
      400, 'batch_call_not_executable', 'Batch call has been sent (only drafts and scheduled ones can be executed)'
    );
  end if;
  return batchline.batch_call_json(v_batch);
end;
$$;

-- Hides a draft or what has ended from every reader.
create or replace function batchline.delete_batch_call(p_api_key text, p_secret_hash text, p_batch_id uuid)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_key public.api_keys := batchline.require_api_key(p_api_key, p_secret_hash);
  v_batch public.call_batches := batchline.require_batch_call(v_key.agency_id, p_batch_id);
begin
  update public.call_batches
  set deleted_at = batchline.clock()
  where id = p_batch_id and status in ('draft', 'completed', 'failed', 'cancelled')
  returning * into v_batch;
  if not found then
    perform batchline.refuse(
      400, 'batch_call_not_deletable',
      'Batch call is scheduled or running (only drafts and those that have ended can be deleted)'
    );
  end if;
  perform batchline.log_batch_event(v_batch, 'deleted', 'API key ' || v_key.name, v_key.created_by);
  return jsonb_build_object('id', v_batch.id, 'tasks_object', v_batch.tasks_object);
end;
$$;

revoke all on function
  batchline.authorize_api_key(text, text),
  batchline.batch_call_json(public.call_batches),
  batchline.batch_call_start(text, timestamptz, boolean),
  batchline.create_api_key(uuid, text, text, text, jsonb),
  batchline.create_batch_call(text, text, jsonb, jsonb),
  batchline.create_call_batch(uuid, jsonb, jsonb),
  batchline.created_batch_json(uuid, int),
  batchline.delete_batch_call(text, text, uuid),
  batchline.execute_batch(public.call_batches, timestamptz, uuid),
  batchline.execute_batch_call(text, text, uuid),
  batchline.execute_call_batch(uuid, uuid),
  batchline.find_batch_call(uuid, uuid),
  batchline.get_batch_call(text, text, uuid),
  batchline.keep_answer(uuid, text, jsonb, jsonb),
  batchline.list_batch_call_tasks(text, text, uuid, int, bigint),
  batchline.list_batch_calls(text, text, int, bigint, text, boolean),
  batchline.recall_answer(uuid, text, jsonb),
  batchline.require_agent(uuid, uuid, text),
  batchline.require_api_key(text, text),
  batchline.require_batch_call(uuid, uuid),
  batchline.revoke_api_key(uuid, uuid),
  batchline.start_time(timestamptz, text),
  batchline.update_batch_call(text, text, uuid, jsonb),
  public.api_key_json(public.api_keys),
  public.list_api_keys()
from public, anon, authenticated;
grant execute on function
  batchline.authorize_api_key(text, text),
  batchline.batch_call_json(public.call_batches),
  batchline.batch_call_start(text, timestamptz, boolean),
  batchline.create_api_key(uuid, text, text, text, jsonb),
  batchline.create_batch_call(text, text, jsonb, jsonb),
  batchline.create_call_batch(uuid, jsonb, jsonb),
  batchline.created_batch_json(uuid, int),
  batchline.delete_batch_call(text, text, uuid),
  batchline.execute_batch(public.call_batches, timestamptz, uuid),
  batchline.execute_batch_call(text, text, uuid),
  batchline.execute_call_batch(uuid, uuid),
  batchline.find_batch_call(uuid, uuid),
  batchline.get_batch_call(text, text, uuid),
  batchline.keep_answer(uuid, text, jsonb, jsonb),
  batchline.list_batch_call_tasks(text, text, uuid, int, bigint),
  batchline.list_batch_calls(text, text, int, bigint, text, boolean),
  batchline.recall_answer(uuid, text, jsonb),
  batchline.require_agent(uuid, uuid, text),
  batchline.require_api_key(text, text),
  batchline.require_batch_call(uuid, uuid),
  batchline.revoke_api_key(uuid, uuid),
  batchline.start_time(timestamptz, text),
  batchline.update_batch_call(text, text, uuid, jsonb),
  public.api_key_json(public.api_keys),
  public.list_api_keys()
to service_role;
grant execute on function public.api_key_json(public.api_keys), public.list_api_keys() to authenticated;
