create function batchline.finish_contact(
  p_call public.calls, p_status text, p_outcome text, p_reason text, p_duration_seconds int default null
)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
begin
  update public.campaign_contacts
  set status = p_status,
      outcome = p_outcome,
      outcome_notes = p_reason,
      duration_seconds = p_duration_seconds,
      completed_at = v_now,
      reason = p_reason,
      reason_at = v_now
  where id = p_call.contact_id and status = 'in_progress' and call_id = p_call.id;
  if found then
    perform batchline.log_call_event(p_call, p_status, p_reason);
  end if;
end;
$$;
