-- Counts a request of one user or API key and refuses it beyond the agency's limit, in any 60 s. It counts when its
-- transaction commits: callers do not wait for each other, so that many requests at once may be over by as many as are
-- in flight, and one that is refused further on costs its caller nothing.
create function batchline.count_request(p_agency_id uuid, p_caller_id uuid)
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
