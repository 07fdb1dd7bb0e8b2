-- A batch as programs see it, in our own words; shared/batch_calls.py puts it into theirs.
create function batchline.batch_call_json(p_batch public.call_batches)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_batch.id,
    'name', p_batch.name,
    'from_number', p_batch.from_number,
    'scheduled_for', public.iso_utc(p_batch.scheduled_for),
    'total_contacts', p_batch.total_contacts,
    'called', p_batch.completed + p_batch.in_progress + (
      select count(*)
      from public.campaign_contacts
      where batch_id = p_batch.id and attempts > 0 and status in ('queued', 'failed', 'skipped')
    ),
    'answered', p_batch.completed,
    'finished', p_batch.completed + p_batch.failed + p_batch.skipped,
    'agent_mapping_id', p_batch.agent_mapping_id,
    'organization_id', agency.public_id,
    'status', p_batch.status,
    'timezone', p_batch.timezone,
    'last_called_at', public.iso_utc((select max(began_at) from public.calls where batch_id = p_batch.id)),
    'tasks_object', p_batch.tasks_object,
    'created_at', public.iso_utc(p_batch.created_at)
  )
  from public.agencies as agency
  where agency.id = p_batch.agency_id;
$$;
