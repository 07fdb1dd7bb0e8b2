-- What became of the dials: all results in one round trip, each row by itself, from dialing or unknown only.
-- p_results: [{"call_id", "result", "ultravox_call_id"?, "reason"?, "retry_after_seconds"?}], result as in
-- dial_result_is_known. Anything but plain acceptances may pause or fail batches or wake a call that was given up,
-- and so starts one lock higher, at the agency.
create function batchline.settle_dials(p_results jsonb)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  v_agency record;
  v_settled int := 0;
begin
  for v_agency in
    select call.agency_id as id,
           jsonb_agg(to_jsonb(told) order by told.call_id) as results,
           array_agg(call.id) as call_ids,
           array_agg(distinct call.batch_id) as batch_ids,
           bool_or(told.result <> 'accepted' or call.status = 'not_placed') as needs_agency,
           bool_or(told.result = 'account_refused') as pauses_all
    from jsonb_to_recordset(p_results) as told (
      call_id uuid, result text, ultravox_call_id uuid, reason text, retry_after_seconds double precision
    )
    join public.calls as call on call.id = told.call_id
    group by call.agency_id
    order by call.agency_id
  loop
    if v_agency.needs_agency then
      perform batchline.lock_agency(v_agency.id);
    end if;
    if v_agency.pauses_all then  -- all at once: a second helping of locks could meet somebody else's the other way round
      v_agency.batch_ids := v_agency.batch_ids || array(
        select id from public.call_batches where agency_id = v_agency.id and status = 'processing'
      );
    end if;
    perform batchline.lock_batches(v_agency.batch_ids);
    if not v_agency.needs_agency then
      perform batchline.refuse_given_up(v_agency.call_ids);
    end if;
    v_settled := v_settled + batchline.settle_locked(v_agency.id, v_agency.results);
    if v_agency.needs_agency then
      perform batchline.trip_breaker(batch)
      from public.call_batches as batch
      where id = any (v_agency.batch_ids) and status = 'processing';
    end if;
    perform batchline.complete_batches(v_agency.batch_ids);
  end loop;
  return jsonb_build_object('settled', v_settled);
end;
$$;
