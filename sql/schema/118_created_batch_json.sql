-- A batch as the answer to its creation shows it.
create function batchline.created_batch_json(p_batch_id uuid, p_duplicates_removed int)
returns jsonb
language sql volatile set search_path = ''
as $$
  select jsonb_build_object(
    'batch_id', batch.id,
    'status', batch.status,
    'total_contacts', batch.total_contacts,
    'duplicates_removed', p_duplicates_removed,
    'skipped', batch.skipped,
    'agent_mapping_id', batch.agent_mapping_id,
    'agent_name', batch.agent_name,
    'campaign_id', batch.campaign_id,
    'campaign_name', batch.campaign_name,
    'from_number', batch.from_number,
    'calls_per_minute', batch.calls_per_minute,
    'max_concurrent', batch.max_concurrent,
    'scheduled_for', public.iso_utc(batch.scheduled_for),
    'created_at', public.iso_utc(batch.created_at),
    'forecast', public.batch_forecast(batch.id, batchline.clock())
  )
  from public.v_call_batch_summary as batch
  where batch.id = p_batch_id;
$$;
