create function batchline.settle_agency_dials(p_agency_id uuid, p_results jsonb)
returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_batches uuid[];
  v_accepted uuid[];
  v_ultravox_call_ids uuid[];
  v_result record;
  v_settled int;
begin
  if exists (
    select from jsonb_to_recordset(p_results) as result (call_id uuid, result text)
    join public.calls as call on call.id = result.call_id
    where call.agency_id = p_agency_id and (result.result <> 'accepted' or call.status = 'not_placed')
  ) then
    perform batchline.lock_agency(p_agency_id);
  end if;
  v_batches := array(
    select distinct call.batch_id
    from jsonb_to_recordset(p_results) as result (call_id uuid)
    join public.calls as call on call.id = result.call_id
    where call.agency_id = p_agency_id
  );
  perform batchline.lock_batches(v_batches);

  -- What nearly all are, in one statement: accepted, and nothing else known of them yet.
  select coalesce(array_agg(call.id), '{}'), coalesce(array_agg(result.ultravox_call_id), '{}')
  into v_accepted, v_ultravox_call_ids
  from jsonb_to_recordset(p_results) as result (call_id uuid, result text, ultravox_call_id uuid)
  join public.calls as call on call.id = result.call_id
  where call.agency_id = p_agency_id and result.result = 'accepted'
    and call.status in ('dialing', 'unknown') and call.ultravox_call_id is null;
  v_settled := batchline.accept_calls(v_accepted, v_ultravox_call_ids, 'accepted');

  for v_result in
    select result.*
    from jsonb_to_recordset(p_results) as result (
      call_id uuid, result text, ultravox_call_id uuid, reason text, retry_after_seconds double precision
    )
    join public.calls as call on call.id = result.call_id
    where call.agency_id = p_agency_id and result.call_id <> all (v_accepted)
    order by result.call_id
  loop
    v_settled := v_settled + batchline.settle_dial(
      v_result.call_id, v_result.result, v_result.ultravox_call_id, v_result.reason, v_result.retry_after_seconds
    )::int;
  end loop;
  perform batchline.complete_batches(v_batches);
  return v_settled;
end;
$$;
