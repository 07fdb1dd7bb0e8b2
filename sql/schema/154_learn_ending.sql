-- What became of a call that we had given up: its outcome, and its contact's, are what the provider says after all.
-- The contact stays final: it is not called again for it.
create function batchline.learn_ending(p_call public.calls, p_data jsonb)
returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_ultravox_call_id uuid := (p_data ->> 'callId')::uuid;
  v_outcome text := batchline.call_outcome(p_data);
  v_known jsonb;
  v_call public.calls;
begin
  if p_call.ultravox_call_id <> v_ultravox_call_id or batchline.is_id_of_another(p_call, v_ultravox_call_id) then
    return false;
  end if;
  v_known := batchline.absorb_import(p_call.agency_id, v_ultravox_call_id);
  update public.calls
  set ultravox_call_id = v_ultravox_call_id, outcome = v_outcome, ended_at = (p_data ->> 'ended')::timestamptz,
      reason = p_data ->> 'endReason', news_at = batchline.clock()
  where id = p_call.id;
  perform batchline.fill_call(p_call.id, p_data), batchline.fill_call(p_call.id, v_known);
  select * into v_call from public.calls where id = p_call.id;
  perform batchline.log_call_event(v_call, 'ended', v_call.reason, jsonb_build_object('outcome', v_outcome));
  update public.campaign_contacts
  set status = case v_outcome when 'answered' then 'completed' else 'failed' end,
      outcome = v_outcome,
      outcome_notes = batchline.outcome_note(v_outcome),
      duration_seconds = case v_outcome when 'answered' then v_call.duration_seconds end,
      reason = batchline.outcome_note(v_outcome),
      reason_at = batchline.clock()
  where id = p_call.contact_id and call_id = p_call.id and status = 'failed' and outcome = 'unknown';
  return true;
end;
$$;
