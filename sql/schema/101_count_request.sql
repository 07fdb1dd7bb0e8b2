-- Counts a request of one user or API key and refuses it beyond the agency's limit, in any 60 s. A caller has as many
-- places as the limit; a request takes one for a minute. While it is in flight it holds the lock of its place, so that
-- many at once neither wait for each other nor share a place: the limit is exact. The locks are only tried, and so have
-- no place in the order of locks. What is refused further on gives its place back with its transaction; then it is
-- counted by itself, by authorize or authorize_api_key.
create function batchline.count_request(p_agency_id uuid, p_caller_id uuid)
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
