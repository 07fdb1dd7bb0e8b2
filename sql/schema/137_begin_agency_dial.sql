create function batchline.begin_agency_dial(p_agency_id uuid, p_worker text, p_call_ids uuid[], p_lease interval)
returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz;
  v_batches uuid[];
  v_call public.calls;
begin
  perform batchline.lock_agency(p_agency_id);
  v_batches := array(
    select distinct batch_id from public.calls where id = any (p_call_ids) and agency_id = p_agency_id
  );
  perform batchline.lock_batches(v_batches);
  v_now := batchline.clock();

  with begun as (
    update public.calls as call
    set status = 'dialing', began_at = v_now, claimed_until = v_now + p_lease
    from public.call_batches as batch
    where call.id = any (p_call_ids)
      and call.agency_id = p_agency_id
      and call.status = 'claimed'
      and call.claimed_by = p_worker
      and call.claimed_until > v_now
      and batch.id = call.batch_id
      and batch.status = 'processing'
      and not exists (
        select from public.do_not_call as listed
        where listed.agency_id = call.agency_id and listed.phone_number = call.to_number
      )
    returning call.*
  )
  insert into public.call_events (agency_id, batch_id, contact_id, call_id, event, at)
  select agency_id, batch_id, contact_id, id, 'begun', v_now from begun;

  for v_call in
    select * from public.calls
    where id = any (p_call_ids) and agency_id = p_agency_id and status = 'claimed' and claimed_by = p_worker
    order by id
    for update
  loop
    perform batchline.release_call(v_call, v_now, 'Not begun: ' || batchline.why_not_begun(v_call, v_now));
  end loop;
  perform batchline.complete_batches(v_batches);
  return array(
    select id from public.calls
    where id = any (p_call_ids) and agency_id = p_agency_id and status = 'dialing' and claimed_by = p_worker
  );
end;
$$;
