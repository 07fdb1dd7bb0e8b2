-- The person asked for it during a call, which the provider or we name. Only a call of ours says whom it was that we
-- called: an imported one may have been theirs to us. Repeated, it answers the same.
create function batchline.opt_out(p_agency_id uuid, p_call_id uuid, p_metadata jsonb default null, p_reason text default null)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_call public.calls;
begin
  select * into v_call
  from public.calls
  where id = coalesce(
    batchline.match_call(p_agency_id, jsonb_build_object('callId', p_call_id, 'metadata', p_metadata)), p_call_id
  );
  if v_call.contact_id is null or v_call.agency_id <> p_agency_id then
    perform batchline.refuse(404, 'call_not_found', 'Call not found or does not belong to the agency');
  end if;
  perform batchline.forbid_numbers(
    p_agency_id, array[v_call.to_number], coalesce(p_reason, 'Asked for during a call'), p_call_id => v_call.id
  );
  return jsonb_build_object(
    'success', true,
    'message', 'Your number is on our do-not-call list now. We will not call you again.'
  );
end;
$$;
