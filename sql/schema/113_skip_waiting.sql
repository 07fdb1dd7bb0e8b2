-- pending, queued -> skipped: all of a batch that is closed or over. What is claimed is released before.
create function batchline.skip_waiting(p_batch public.call_batches, p_note text, p_detail jsonb default null)
returns void
language sql volatile set search_path = ''
as $$
  with skipped as (
    update public.campaign_contacts
    set status = 'skipped',
        next_attempt_at = null,
        completed_at = now.at,
        outcome_notes = p_note,
        reason = p_note,
        reason_at = now.at
    from (select batchline.clock() as at) as now
    where batch_id = p_batch.id and status in ('pending', 'queued')
    returning id, completed_at
  )
  insert into public.call_events (agency_id, batch_id, contact_id, event, reason, detail, at)
  select p_batch.agency_id, p_batch.id, id, 'skipped', p_note, p_detail, completed_at from skipped;
$$;
