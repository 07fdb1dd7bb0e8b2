-- The provider has taken the call: -> ringing, from dialing or unknown, and from not_placed where that is still
-- possible (late knowledge). Locks of the batch are held; those of the agency too where the call is not_placed.
create function batchline.accept_call(p_call public.calls, p_ultravox_call_id uuid, p_event text)
returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_known jsonb;
begin
  if p_call.ultravox_call_id <> p_ultravox_call_id then
    perform batchline.log_late_acceptance(p_call, p_ultravox_call_id, 'The provider has a second call for this one');
    return false;
  elsif p_call.status not in ('dialing', 'unknown', 'not_placed') then
    return false;
  elsif batchline.is_id_of_another(p_call, p_ultravox_call_id) then
    perform batchline.log_late_acceptance(
      p_call, p_ultravox_call_id, 'The provider gave this call the id of another of our calls'
    );
    perform batchline.mark_unknown(p_call, 'The provider gave this call the id of another of our calls', 'unknown');
    return false;
  elsif p_call.status = 'not_placed' and not batchline.revive_contact(p_call, 'The provider has the call after all') then
    perform batchline.log_late_acceptance(
      p_call, p_ultravox_call_id, 'The provider has a call that we had taken for not placed'
    );
    return false;
  end if;
  v_known := batchline.absorb_import(p_call.agency_id, p_ultravox_call_id);
  perform batchline.accept_calls(array[p_call.id], array[p_ultravox_call_id], p_event);
  if v_known is not null then
    perform batchline.advance_call(call, v_known, 'import') from public.calls as call where call.id = p_call.id;
  end if;
  return true;
end;
$$;
