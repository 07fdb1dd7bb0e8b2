-- The agency's lock for a request of somebody's. Of one agency only so many requests wait for it, each with a connection
-- of PostgREST's pool in its hand: what more come at once are refused, so that the pool is left to others. The places of
-- those who wait are only tried, and so have no place in the order of locks.
create function batchline.await_agency(p_agency_id uuid)
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
