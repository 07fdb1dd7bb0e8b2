create function batchline.log_batch_event(
  p_batch public.call_batches, p_event text, p_reason text default null, p_actor uuid default null,
  p_detail jsonb default null
)
returns void
language sql volatile set search_path = ''
as $$
  insert into public.call_events (agency_id, batch_id, event, reason, actor, detail)
  values (p_batch.agency_id, p_batch.id, p_event, p_reason, p_actor, p_detail);
$$;
