create view public.v_call_batch_summary with (security_invoker = true) as
select
  batch.id,
  batch.agency_id,
  batch.campaign_id,
  campaign.name as campaign_name,
  batch.agent_mapping_id,
  agent.name as agent_name,
  batch.name,
  batch.from_number,
  batch.status,
  batch.total_contacts,
  batch.pending,
  batch.queued,
  batch.in_progress,
  batch.completed,
  batch.failed,
  batch.skipped,
  case
    when batch.total_contacts = 0 then 0.0
    else round(100.0 * (batch.completed + batch.failed + batch.skipped) / batch.total_contacts, 1)
  end as progress_percentage,
  batch.total_contacts - (batch.completed + batch.failed + batch.skipped) as remaining_count,
  batch.calls_per_minute,
  batch.max_concurrent,
  batch.scheduled_for,
  batch.waiting_until,
  batch.error_message,
  batch.created_by,
  batch.created_at,
  batch.started_at,
  batch.paused_at,
  batch.completed_at,
  batch.ends_at,
  batch.redial_of
from public.call_batches as batch
join public.agent_mappings as agent on agent.id = batch.agent_mapping_id
left join public.campaigns as campaign on campaign.id = batch.campaign_id;

comment on view public.v_call_batch_summary is 'Batches with the names and figures a list of them shows.';
