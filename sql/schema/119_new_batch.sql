-- A batch of a user who may write, with its contacts. They come normalised, valid and without duplicates.
create function batchline.new_batch(p_user public.users, p_batch jsonb)
returns public.call_batches
language plpgsql volatile set search_path = ''
as $$
declare
  v_start_at timestamptz := batchline.start_time((p_batch ->> 'scheduled_for')::timestamptz, 'scheduled_for');
  v_ends_at timestamptz := batchline.end_time((p_batch ->> 'ends_at')::timestamptz, v_start_at);
  v_agency public.agencies;
  v_agent public.agent_mappings;
  v_campaign public.campaigns;
  v_hours jsonb;
  v_batch public.call_batches;
begin
  select * into v_agency from public.agencies where id = p_user.agency_id;
  v_agent := batchline.require_agent(v_agency.id, (p_batch ->> 'agent_mapping_id')::uuid);
  v_campaign := batchline.require_campaign(v_agency.id, (p_batch ->> 'campaign_id')::uuid);
  perform batchline.require_number(v_agency.id, p_batch ->> 'from_number');
  -- JSON's null turns the hours off; what is not there at all leaves them to the campaign, or the default.
  v_hours := nullif(
    coalesce(p_batch -> 'calling_hours', v_campaign.calling_hours, batchline.default_calling_hours()), 'null'
  );
  perform batchline.require_time_zone(nullif(v_hours ->> 'timezone', 'recipient'), 'calling_hours.timezone');
  perform batchline.require_pace(
    v_agency, (p_batch ->> 'calls_per_minute')::int, (p_batch ->> 'max_concurrent')::int
  );

  insert into public.call_batches (
    status, agency_id, campaign_id, agent_mapping_id, name, from_number, calls_per_minute, max_concurrent,
    calling_hours, retry, scheduled_for, ends_at, created_by
  )
  values (
    case when p_batch ->> 'status' = 'draft' then 'draft' when v_start_at is null then 'pending' else 'scheduled' end,
    v_agency.id, v_campaign.id, v_agent.id, p_batch ->> 'name', p_batch ->> 'from_number',
    (p_batch ->> 'calls_per_minute')::int, (p_batch ->> 'max_concurrent')::int,
    v_hours,
    batchline.default_retry()
      || coalesce(v_campaign.retry, '{}')
      || coalesce(nullif(p_batch -> 'retry', 'null'), '{}'),
    v_start_at, v_ends_at, p_user.id
  )
  returning * into v_batch;

  perform batchline.log_batch_event(v_batch, 'created', p_actor => p_user.id);
  perform batchline.add_contacts(v_batch, p_batch -> 'contacts', 'pending');
  return v_batch;
end;
$$;
