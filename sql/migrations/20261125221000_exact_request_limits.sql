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
