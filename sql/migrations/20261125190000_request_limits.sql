-- A limit for each user and each API key of what writes: so many requests in any minute.
alter table public.agencies
  add column max_requests_per_minute int not null default 120,  -- of each user and each API key, of what writes
  add constraint request_limit_is_positive check (max_requests_per_minute > 0);

-- What callers asked for in the last minute. Not logged to disk: after a crash everybody starts with a clean slate.
create unlogged table public.counted_requests (
  caller_id uuid not null,  -- a user or an API key
  created_at timestamptz not null,
  id bigint generated always as identity,
  primary key (caller_id, created_at, id)
);
comment on table public.counted_requests is 'The requests of the last minute that count for their caller''s limit.';
alter table public.counted_requests enable row level security;
create policy counted_requests_are_read_by_nobody on public.counted_requests for select to authenticated
  using (false);
create policy idempotent_answers_are_read_by_nobody on public.idempotent_answers for select to authenticated
  using (false);
revoke all on public.counted_requests from anon, authenticated;
revoke all on sequence public.counted_requests_id_seq from anon, authenticated;
grant select, insert, update, delete on public.counted_requests to service_role;

drop function batchline.require_api_key(text, text);

-- Counts a request of one user or API key and refuses it beyond the agency's limit, in any 60 s. It counts when its
-- transaction commits: callers do not wait for each other, so that many requests at once may be over by as many as are
-- in flight, and one that is refused further on costs its caller nothing.
create or replace function batchline.count_request(p_agency_id uuid, p_caller_id uuid)
returns void
language plpgsql volatile set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_now timestamptz := batchline.clock();
  v_limit int := (select max_requests_per_minute from public.agencies where id = p_agency_id);
  v_wait int;
begin
  select ceil(extract(epoch from created_at + interval '1 minute' - v_now)) into v_wait
  from public.counted_requests
  where caller_id = p_caller_id and created_at > v_now - interval '1 minute'
  order by created_at desc
  offset v_limit - 1 limit 1;
  if found then
    perform batchline.refuse(
      429, 'too_many_requests',
      format('More than %s requests in a minute. Please try again in %s s.', v_limit, v_wait),
      jsonb_build_object('retry_after', v_wait)
    );
  end if;
  -- Each request takes some old ones away, so that the table holds little more than a minute.
  delete from public.counted_requests
  where ctid = any (array(
    select ctid from public.counted_requests
    where caller_id = p_caller_id and created_at <= v_now - interval '1 minute'
    order by created_at
    limit 10
    for update skip locked
  ));
  insert into public.counted_requests (caller_id, created_at) values (p_caller_id, v_now);
end;
$$;

-- Who asks: role and agency as they are now, in the transaction that acts on them. Counts for their limit.
create or replace function batchline.require_user(p_user_id uuid, p_writes boolean)
returns public.users
language plpgsql volatile set search_path = ''
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
  perform batchline.count_request(v_user.agency_id, v_user.id);
  return v_user;
end;
$$;

-- For a request that is refused before it reaches its verb: 403 still comes before 400.
create or replace function batchline.authorize(p_user_id uuid, p_writes boolean)
returns jsonb
language sql volatile set search_path = ''
as $$
  select jsonb_build_object('agency_id', caller.agency_id, 'role', caller.role)
  from batchline.require_user(p_user_id, p_writes) as caller;
$$;

-- Who asks with an API key, as the key is now. The secret comes hashed. Before the two hashes are compared both are
-- hashed once more, with a salt of the moment, so that the time which the comparison takes says nothing about either;
-- a key that does not exist is compared all the same. What writes counts for the key's limit.
create or replace function batchline.require_api_key(p_api_key text, p_secret_hash text, p_writes boolean)
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
  if p_writes then
    perform batchline.count_request(v_key.agency_id, v_key.id);
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

-- For a request that is refused before it reaches its verb: 401 still comes before 400.
create or replace function batchline.authorize_api_key(p_api_key text, p_secret_hash text)
returns jsonb
language sql volatile set search_path = ''
as $$
  select jsonb_build_object('agency_id', key.agency_id)
  from batchline.require_api_key(p_api_key, p_secret_hash, true) as key;
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
  v_key public.api_keys := batchline.require_api_key(p_api_key, p_secret_hash, false);
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
  from batchline.require_api_key(p_api_key, p_secret_hash, false) as key;
$$;

-- A page of a batch's contacts, in list order; the total comes from the counters.
create or replace function batchline.list_batch_call_tasks(
  p_api_key text, p_secret_hash text, p_batch_id uuid, p_limit int, p_offset bigint
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_key public.api_keys := batchline.require_api_key(p_api_key, p_secret_hash, false);
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
  v_key public.api_keys := batchline.require_api_key(p_api_key, p_secret_hash, true);
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
  v_key public.api_keys := batchline.require_api_key(p_api_key, p_secret_hash, true);
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
  batchline.count_request(uuid, uuid),
  batchline.require_api_key(text, text, boolean)
from public, anon, authenticated;
grant execute on function
  batchline.count_request(uuid, uuid),
  batchline.require_api_key(text, text, boolean)
to service_role;
