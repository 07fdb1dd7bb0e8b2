-- A worker that had been taken for dead has dialled after all and does not know with what result: its POST may have left
-- after the provider was asked. The questions begin anew; where the contact can no longer be taken back, somebody may
-- have been called twice.
create function batchline.doubt_call(p_call public.calls, p_reason text)
returns boolean
language plpgsql volatile set search_path = ''
as $$
begin
  if p_call.began_at is null or p_call.dial_result is not null or p_call.status not in ('unknown', 'not_placed') then
    return false;
  elsif p_call.status = 'not_placed'
    and not batchline.revive_contact(p_call, 'The provider may have the call after all') then
    perform batchline.log_late_acceptance(p_call, null, 'It was dialled after the provider had denied it: ' || p_reason);
    return false;
  end if;
  update public.calls
  set status = 'unknown', unknown_at = batchline.clock(), asked_at = null, none_at = null, dial_result = 'unknown',
      reason = p_reason
  where id = p_call.id;
  perform batchline.log_call_event(p_call, 'unknown', p_reason);
  return true;
end;
$$;
