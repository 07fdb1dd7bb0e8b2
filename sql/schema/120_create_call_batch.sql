-- One batch with its contacts, in one transaction. The contacts come normalised, valid and without duplicates.
create function batchline.create_call_batch(p_user_id uuid, p_batch jsonb)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_agency public.agencies;
  v_agent public.agent_mappings;
  v_campaign public.campaigns;
  v_batch public.call_batches;
begin
  select * into v_agency from public.agencies where id = v_user.agency_id;
  v_agent := batchline.require_agent(v_agency.id, (p_batch ->> 'agent_mapping_id')::uuid);
  v_campaign := batchline.require_campaign(v_agency.id, (p_batch ->> 'campaign_id')::uuid);
  perform batchline.require_number(v_agency.id, p_batch ->> 'from_number');
  perform batchline.require_pace(
    v_agency, (p_batch ->> 'calls_per_minute')::int, (p_batch ->> 'max_concurrent')::int
  );

  insert into public.call_batches (
    status, agency_id, campaign_id, agent_mapping_id, name, from_number, calls_per_minute, max_concurrent,
    retry, scheduled_for, created_by
  )
  values (
    case when p_batch ->> 'scheduled_for' is null then 'pending' else 'scheduled' end,
    v_agency.id, v_campaign.id, v_agent.id, p_batch ->> 'name', p_batch ->> 'from_number',
    (p_batch ->> 'calls_per_minute')::int, (p_batch ->> 'max_concurrent')::int,
    batchline.default_retry()
      || coalesce(v_campaign.retry, '{}')
      || coalesce(nullif(p_batch -> 'retry', 'null'), '{}'),
    (p_batch ->> 'scheduled_for')::timestamptz, v_user.id
  )
  returning * into v_batch;

  perform batchline.log_batch_event(v_batch, 'created', p_actor => v_user.id);
  perform batchline.add_contacts(v_batch, p_batch -> 'contacts', 'pending');
  select * into v_batch from public.call_batches where id = v_batch.id;

  return jsonb_build_object(
    'batch_id', v_batch.id,
    'status', v_batch.status,
    'total_contacts', v_batch.total_contacts,
    'duplicates_removed', coalesce((p_batch ->> 'duplicates_removed')::int, 0),
    'skipped', v_batch.skipped,
    'agent_mapping_id', v_agent.id,
    'agent_name', v_agent.name,
    'campaign_id', v_campaign.id,
    'campaign_name', v_campaign.name,
    'from_number', v_batch.from_number,
    'calls_per_minute', v_batch.calls_per_minute,
    'max_concurrent', v_batch.max_concurrent,
    'scheduled_for', public.iso_utc(v_batch.scheduled_for),
    'created_at', public.iso_utc(v_batch.created_at)
  );
end;
$$;
