-- Somebody may have been called who should not have been: an alarm, once for each call of the provider's; once where its
-- id is not known.
create function batchline.log_late_acceptance(p_call public.calls, p_ultravox_call_id uuid, p_reason text)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if not exists (
    select from public.call_events
    where call_id = p_call.id and event = 'late_acceptance'
      and detail ->> 'ultravox_call_id' is not distinct from p_ultravox_call_id::text
  ) then
    perform batchline.log_call_event(
      p_call, 'late_acceptance', p_reason, jsonb_build_object('ultravox_call_id', p_ultravox_call_id)
    );
  end if;
end;
$$;
