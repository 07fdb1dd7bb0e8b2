-- claimed -> dialing. After its commit the provider may have been asked, so this is the last word of pause, cancel and
-- the do-not-call list: it waits for their locks. What it refuses it releases. Repeated by the same worker (its answer
-- was lost) it answers the same calls again.
create function batchline.begin_dial(p_worker text, p_call_ids uuid[], p_lease_seconds double precision)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  v_agency record;
  v_begun uuid[] := '{}';
begin
  for v_agency in
    select agency_id as id, array_agg(id) as call_ids, array_agg(distinct batch_id) as batch_ids
    from public.calls
    where id = any (p_call_ids)
    group by agency_id
    order by agency_id
  loop
    perform batchline.lock_agency(v_agency.id);
    perform batchline.lock_batches(v_agency.batch_ids);
    v_begun := v_begun || batchline.begin_locked(
      p_worker, v_agency.call_ids, batchline.clock(), make_interval(secs => p_lease_seconds)
    );
    perform batchline.complete_batches(v_agency.batch_ids);
  end loop;
  return jsonb_build_object('begun', to_jsonb(v_begun));
end;
$$;
