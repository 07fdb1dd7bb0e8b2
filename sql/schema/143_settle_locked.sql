-- Results of one agency's calls, whose batches are locked. Nearly all are acceptances of calls of which nothing else is
-- known yet, with an id that no other row has: those in one statement, the others one by one.
create function batchline.settle_locked(p_agency_id uuid, p_results jsonb)
returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_plain uuid[];
  v_ultravox_call_ids uuid[];
begin
  select coalesce(array_agg(told.call_id), '{}'), coalesce(array_agg(told.ultravox_call_id), '{}')
  into v_plain, v_ultravox_call_ids
  from (
    select distinct on (ultravox_call_id) call_id, ultravox_call_id
    from jsonb_to_recordset(p_results) as result (call_id uuid, result text, ultravox_call_id uuid)
    where result = 'accepted'
    order by ultravox_call_id, call_id
  ) as told
  join public.calls as call on call.id = told.call_id
  where call.status in ('dialing', 'unknown') and call.ultravox_call_id is null
    and not exists (
      select from public.calls as other
      where other.agency_id = p_agency_id and other.ultravox_call_id = told.ultravox_call_id
    );

  return batchline.accept_calls(v_plain, v_ultravox_call_ids, 'accepted') + (
    select count(*) filter (
      where batchline.settle_dial(call_id, result, ultravox_call_id, reason, retry_after_seconds)
    )
    from jsonb_to_recordset(p_results) as told (
      call_id uuid, result text, ultravox_call_id uuid, reason text, retry_after_seconds double precision
    )
    where told.call_id <> all (v_plain)
  );
end;
$$;
