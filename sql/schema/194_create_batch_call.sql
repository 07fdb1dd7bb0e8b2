-- create_call_batch for programs. The id comes from outside, since the list is in object storage under it by now.
create function batchline.create_batch_call(
  p_api_key text, p_secret_hash text, p_batch jsonb, p_once jsonb default null
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_key public.api_keys := batchline.require_api_key(p_api_key, p_secret_hash, true);
  v_answer jsonb := batchline.recall_answer(v_key.agency_id, 'batch-call-create', p_once);
  v_start record;
  v_agency public.agencies;
  v_agent public.agent_mappings;
  v_batch public.call_batches;
begin
  if v_answer is not null then
    return v_answer;
  end if;
  select * into v_start from batchline.batch_call_start(
    p_batch ->> 'status', (p_batch ->> 'scheduled_for')::timestamptz, (p_batch ->> 'send_now')::boolean
  );
  select * into v_agency from public.agencies where id = v_key.agency_id;
  v_agent := batchline.require_agent(v_agency.id, (p_batch ->> 'agent_mapping_id')::uuid, 'agent_id');
  perform batchline.require_number(v_agency.id, p_batch ->> 'from_number');
  perform batchline.require_time_zone(p_batch ->> 'timezone', 'timezone');

  insert into public.call_batches (
    id, status, agency_id, agent_mapping_id, name, from_number, calls_per_minute, max_concurrent, calling_hours, retry,
    scheduled_for, timezone, tasks_object, created_by
  )
  values (
    (p_batch ->> 'id')::uuid, v_start.status, v_agency.id, v_agent.id, p_batch ->> 'name', p_batch ->> 'from_number',
    v_agency.default_calls_per_minute, v_agency.default_max_concurrent,
    batchline.default_calling_hours(), batchline.default_retry(), v_start.start_at, p_batch ->> 'timezone', p_batch ->> 'tasks_object', v_key.created_by
  )
  returning * into v_batch;
  perform batchline.log_batch_event(
    v_batch, 'created', 'API key ' || v_key.name, v_key.created_by, batchline.key_detail(v_key)
  );
  perform batchline.add_contacts(v_batch, p_batch -> 'contacts', 'pending');
  select * into v_batch from public.call_batches where id = v_batch.id;
  return batchline.keep_answer(
    v_agency.id, 'batch-call-create', p_once,
    batchline.batch_call_json(v_batch)
      || jsonb_build_object('created_by', v_key.created_by, 'session_id', p_batch ->> 'session_id')
  );
end;
$$;
