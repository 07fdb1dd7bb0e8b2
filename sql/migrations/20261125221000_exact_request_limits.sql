-- The limit on requests is exact, whoever asks at once, and comes before the role. What was counted before is forgotten.
drop table public.counted_requests;

-- What callers asked for in the last minute. Not logged to disk: after a crash everybody starts with a clean slate.
create unlogged table public.counted_requests (
  caller_id uuid not null,  -- a user or an API key
  place int not null,  -- one of as many as the agency's limit: who takes it has it for a minute
  created_at timestamptz not null,
  primary key (caller_id, place)
);
comment on table public.counted_requests is 'The requests of the last minute that count for their caller''s limit.';
alter table public.counted_requests enable row level security;
create policy counted_requests_are_read_by_nobody on public.counted_requests for select to authenticated
  using (false);
revoke all on public.counted_requests from anon, authenticated;
grant select, insert, update, delete on public.counted_requests to service_role;

-- The agency's lock for a request of somebody's. Of one agency only so many requests wait for it, each with a connection
-- of PostgREST's pool in its hand: what more come at once are refused, so that the pool is left to others. The places of
-- those who wait are only tried, and so have no place in the order of locks.
create or replace function batchline.await_agency(p_agency_id uuid)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if batchline.try_lock_agency(p_agency_id) then
    return;
  end if;
  for v_place in 1..8 loop
    if pg_try_advisory_xact_lock(hashtextextended(concat_ws(':', 'batchline.waiting', p_agency_id, v_place), 0)) then
      perform batchline.lock_agency(p_agency_id);
      return;
    end if;
  end loop;
  perform batchline.refuse(
    429, 'agency_busy', 'Too much is being changed at once. Please try again in 1 s.', '{"retry_after": 1}'
  );
end;
$$;

-- Counts a request of one user or API key and refuses it beyond the agency's limit, in any 60 s. A caller has as many
-- places as the limit; a request takes one for a minute. While it is in flight it holds the lock of its place, so that
-- many at once neither wait for each other nor share a place: the limit is exact. The locks are only tried, and so have
-- no place in the order of locks. What is refused further on gives its place back with its transaction; then it is
-- counted by itself, by authorize or authorize_api_key.
create or replace function batchline.count_request(p_agency_id uuid, p_caller_id uuid)
returns void
language plpgsql volatile set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_now timestamptz := batchline.clock();
  v_limit int := (select max_requests_per_minute from public.agencies where id = p_agency_id);
  v_place int;
  v_wait int;
begin
  for v_place in
    select free.place
    from (select generate_series(0, v_limit - 1) as place) as free
    where not exists (
      select from public.counted_requests as taken
      where taken.caller_id = p_caller_id and taken.place = free.place
        and taken.created_at > v_now - interval '1 minute'
    )
  loop
    if pg_try_advisory_xact_lock(hashtextextended(concat_ws(':', 'batchline.place', p_caller_id, v_place), 0)) then
      insert into public.counted_requests as taken (caller_id, place, created_at)
      values (p_caller_id, v_place, v_now)
      on conflict (caller_id, place) do update set created_at = excluded.created_at
      where taken.created_at <= v_now - interval '1 minute';  -- else it was taken before the lock was ours
      if found then
        return;
      end if;
    end if;
  end loop;

  -- Where all places are those of requests in flight, nothing says when the first is free: a minute from now.
  select least(60, ceil(extract(epoch from min(created_at) + interval '1 minute' - v_now))) into v_wait
  from public.counted_requests
  where caller_id = p_caller_id and place < v_limit and created_at > v_now - interval '1 minute';
  perform batchline.refuse(
    429, 'too_many_requests',
    format('More than %s requests in a minute. Please try again in %s s.', v_limit, v_wait),
    jsonb_build_object('retry_after', v_wait)
  );
end;
$$;

-- Who asks: role and agency as they are now, in the transaction that acts on them. Counts for their limit, which comes
-- before the role: who may not write can be as persistent as anybody.
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
  perform batchline.count_request(v_user.agency_id, v_user.id);
  if p_writes and v_user.role not in ('agency_owner', 'agency_admin') then
    perform batchline.refuse(403, 'forbidden', 'User role is not agency_owner or agency_admin');
  end if;
  return v_user;
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
  perform batchline.await_agency(p_agency_id);
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

-- As find_batch_call, with the agency and the batch row locked in that order.
create or replace function batchline.require_batch_call(p_agency_id uuid, p_batch_id uuid)
returns public.call_batches
language plpgsql volatile set search_path = ''
as $$
begin
  perform batchline.await_agency(p_agency_id);
  perform from public.call_batches where id = p_batch_id and agency_id = p_agency_id for no key update;
  return batchline.find_batch_call(p_agency_id, p_batch_id);
end;
$$;

create or replace function batchline.add_to_do_not_call(
  p_user_id uuid, p_phone_numbers text[], p_reason text default null, p_once jsonb default null
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_answer jsonb := batchline.recall_answer(v_user.agency_id, 'do-not-call-add', p_once);
begin
  if v_answer is not null then
    return v_answer;
  end if;
  perform batchline.await_agency(v_user.agency_id);
  return batchline.keep_answer(
    v_user.agency_id, 'do-not-call-add', p_once,
    batchline.forbid_numbers(v_user.agency_id, p_phone_numbers, p_reason, v_user.id)
  );
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
  perform batchline.await_agency(v_user.agency_id);
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

-- Forgets the person behind a number, everywhere in the agency, in one transaction; what changed, and the objects that
-- the caller is to deal with. Repeated, it takes what has come since. See docs/why.md, "Forgetting a person".
create or replace function batchline.erase_person(p_user_id uuid, p_phone_number text)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_owner(p_user_id);
  v_agency_id uuid := v_user.agency_id;
  v_hash text;
  v_batch_ids uuid[];
  v_contact_ids uuid[];
  v_call_ids uuid[];
  v_changed jsonb;
begin
  perform batchline.await_agency(v_agency_id);
  insert into public.erasure_salts (agency_id) values (v_agency_id) on conflict (agency_id) do nothing;
  v_hash := batchline.erased_number(v_agency_id, p_phone_number);

  select array_agg(distinct contact.batch_id), array_agg(contact.id)
  into v_batch_ids, v_contact_ids
  from public.call_batches as batch
  join public.campaign_contacts as contact
    on contact.batch_id = batch.id and contact.phone_number in (p_phone_number, v_hash)
  where batch.agency_id = v_agency_id;
  perform batchline.lock_batches(v_batch_ids);
  perform batchline.release_or_refuse(v_agency_id, p_phone_number);
  v_call_ids := batchline.calls_of_person(v_agency_id, v_contact_ids, p_phone_number);

  v_changed := jsonb_build_object(
    'contacts', batchline.erase_contacts(v_contact_ids, p_phone_number, v_hash),
    'calls', batchline.erase_calls(v_call_ids, p_phone_number, v_hash),
    'events', batchline.erase_events(v_agency_id, v_contact_ids, v_call_ids, v_batch_ids, p_phone_number),
    'do_not_call', batchline.erase_do_not_call(v_agency_id, p_phone_number, v_hash),
    'notes', batchline.erase_notes(v_agency_id, v_batch_ids, p_phone_number)
  );
  perform batchline.complete_batches(v_batch_ids);
  insert into public.erasures (agency_id, number_hash, created_by, changed)
  values (v_agency_id, v_hash, v_user.id, v_changed);
  return jsonb_build_object(
    'agency_id', v_agency_id,
    'number_hash', v_hash,
    'changed', v_changed,
    'tasks_objects', (
      select coalesce(jsonb_agg(tasks_object order by id), '[]')
      from public.call_batches
      where id = any (v_batch_ids) and tasks_object is not null and deleted_at is null
    )
  );
end;
$$;

revoke all on function
  batchline.await_agency(uuid)
from public, anon, authenticated;
grant execute on function
  batchline.await_agency(uuid)
to service_role;
