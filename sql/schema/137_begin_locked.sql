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
