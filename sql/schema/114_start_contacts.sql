-- pending -> queued, at the start of their batch.
create function batchline.start_contacts(p_batch_id uuid)
returns void
language sql volatile set search_path = ''
as $$
  update public.campaign_contacts
  set status = 'queued', next_attempt_at = batch.started_at
  from public.call_batches as batch
  where batch.id = p_batch_id and batch_id = p_batch_id and campaign_contacts.status = 'pending';
$$;
