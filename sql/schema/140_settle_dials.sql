-- What became of the dials: all results in one round trip, each row by itself, from dialing or unknown only.
-- p_results: [{"call_id", "result", "ultravox_call_id"?, "reason"?, "retry_after_seconds"?}], result as in
-- dial_result_is_known. Anything but plain acceptances may pause or fail batches or wake a call that was given up,
-- and so starts one lock higher, at the agency.
create function batchline.settle_dials(p_results jsonb)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_agency_id uuid;
  v_batches uuid[];
  v_result record;
  v_settled int := 0;
begin
  for v_agency_id in
    select distinct call.agency_id
    from jsonb_to_recordset(p_results) as result (call_id uuid)
    join public.calls as call on call.id = result.call_id
    order by call.agency_id
  loop
    if exists (
      select from jsonb_to_recordset(p_results) as result (call_id uuid, result text)
      join public.calls as call on call.id = result.call_id
      where call.agency_id = v_agency_id and (result.result <> 'accepted' or call.status = 'not_placed')
    ) then
      perform batchline.lock_agency(v_agency_id);
    end if;
    v_batches := array(
      select distinct call.batch_id
      from jsonb_to_recordset(p_results) as result (call_id uuid)
      join public.calls as call on call.id = result.call_id
      where call.agency_id = v_agency_id
    );
    perform batchline.lock_batches(v_batches);
    for v_result in
      select result.*
      from jsonb_to_recordset(p_results) as result (
        call_id uuid, result text, ultravox_call_id uuid, reason text, retry_after_seconds double precision
      )
      join public.calls as call on call.id = result.call_id
      where call.agency_id = v_agency_id
      order by result.call_id
    loop
      v_settled := v_settled + batchline.settle_dial(
        v_result.call_id, v_result.result, v_result.ultravox_call_id, v_result.reason, v_result.retry_after_seconds
      )::int;
    end loop;
    perform batchline.complete_batches(v_batches);
  end loop;
  return jsonb_build_object('settled', v_settled);
end;
$$;
