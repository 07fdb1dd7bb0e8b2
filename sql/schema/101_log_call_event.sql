create function batchline.log_call_event(
  p_call public.calls, p_event text, p_reason text default null, p_detail jsonb default null
)
returns void
language sql volatile set search_path = ''
as $$
  insert into public.call_events (agency_id, batch_id, contact_id, call_id, event, reason, detail)
  values (p_call.agency_id, p_call.batch_id, p_call.contact_id, p_call.id, p_event, p_reason, p_detail);
$$;
