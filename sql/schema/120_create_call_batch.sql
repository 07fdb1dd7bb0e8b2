-- One batch with its contacts, in one transaction. The contacts come normalised, valid and without duplicates.
create function batchline.create_call_batch(p_user_id uuid, p_batch jsonb, p_once jsonb default null)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_answer jsonb := batchline.recall_answer(v_user.agency_id, 'calls-batch-create', p_once);
  v_start_at timestamptz;
  v_ends_at timestamptz;
  v_agency public.agencies;
  v_agent public.agent_mappings;
  v_campaign public.campaigns;
  v_hours jsonb;
  v_batch public.call_batches;
begin
  if v_answer is not null then
    return v_answer;
  end if;
  v_start_at := batchline.start_time((p_batch ->> 'scheduled_for')::timestamptz, 'scheduled_for');
  v_ends_at := batchline.end_time((p_batch ->> 'ends_at')::timestamptz, v_start_at);
  select * into v_agency from public.agencies where id = v_user.agency_id;
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
    v_start_at, v_ends_at, v_user.id
  )
  returning * into v_batch;

  perform batchline.log_batch_event(v_batch, 'created', p_actor => v_user.id);
  perform batchline.add_contacts(v_batch, p_batch -> 'contacts', 'pending');
  return batchline.keep_answer(
    v_agency.id, 'calls-batch-create', p_once,
    batchline.created_batch_json(v_batch.id, coalesce((p_batch ->> 'duplicates_removed')::int, 0))
  );
end;
$$;
