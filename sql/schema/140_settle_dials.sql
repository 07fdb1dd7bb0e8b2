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
  v_settled int := 0;
begin
  for v_agency_id in
    select distinct call.agency_id
    from jsonb_to_recordset(p_results) as result (call_id uuid)
    join public.calls as call on call.id = result.call_id
    order by call.agency_id
  loop
    v_settled := v_settled + batchline.settle_agency_dials(v_agency_id, p_results);
  end loop;
  return jsonb_build_object('settled', v_settled);
end;
$$;
