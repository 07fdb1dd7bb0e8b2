-- A new draft with the contacts of a batch that were not reached, and in all else like it. The batch stays as it is.
create function batchline.redial_call_batch(
  p_user_id uuid, p_batch_id uuid, p_outcomes text[], p_name text default null, p_once jsonb default null
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_answer jsonb := batchline.recall_answer(v_user.agency_id, 'calls-batch-redial', p_once);
  v_batch public.call_batches;
  v_contacts jsonb;
  v_new public.call_batches;
begin
  if v_answer is not null then
    return v_answer;
  end if;
  v_batch := batchline.require_batch(v_user.agency_id, p_batch_id);
  perform batchline.require_agent(v_user.agency_id, v_batch.agent_mapping_id);
  perform batchline.require_number(v_user.agency_id, v_batch.from_number);
  v_contacts := batchline.redial_contacts(v_batch, p_outcomes);
  if v_contacts = '[]' then
    perform batchline.refuse(400, 'nothing_to_redial', 'No contact of the batch is left to be called again');
  end if;

  insert into public.call_batches (
    status, agency_id, campaign_id, agent_mapping_id, name, from_number, calls_per_minute, max_concurrent,
    calling_hours, retry, timezone, created_by, redial_of
  )
  values (
    'draft', v_batch.agency_id, v_batch.campaign_id, v_batch.agent_mapping_id,
    coalesce(p_name, left('Redial of ' || coalesce(v_batch.name, v_batch.id::text), 255)), v_batch.from_number,
    v_batch.calls_per_minute, v_batch.max_concurrent, v_batch.calling_hours, v_batch.retry, v_batch.timezone,
    v_user.id, v_batch.id
  )
  returning * into v_new;
  perform batchline.log_batch_event(v_new, 'created', 'Redial of batch ' || v_batch.id, v_user.id);
  perform batchline.add_contacts(v_new, v_contacts, 'pending');
  return batchline.keep_answer(
    v_user.agency_id, 'calls-batch-redial', p_once,
    batchline.created_batch_json(v_new.id, 0) || jsonb_build_object('redial_of', v_batch.id)
  );
end;
$$;
