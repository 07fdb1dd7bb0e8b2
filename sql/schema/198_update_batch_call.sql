-- What is given is changed: the name until the end, the rest while the batch is a draft or scheduled.
-- draft <-> scheduled, draft, scheduled -> pending.
create function batchline.update_batch_call(
  p_api_key text, p_secret_hash text, p_batch_id uuid, p_changes jsonb
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_key public.api_keys := batchline.require_api_key(p_api_key, p_secret_hash, true);
  v_batch public.call_batches := batchline.require_batch_call(v_key.agency_id, p_batch_id);
  v_new public.call_batches := jsonb_populate_record(v_batch, p_changes - '{status,send_now}'::text[]);
  v_send_now boolean := coalesce((p_changes ->> 'send_now')::boolean, false);
begin
  if v_batch.status in ('completed', 'failed', 'cancelled') then
    perform batchline.refuse(400, 'batch_call_final', 'Batch call has ended and cannot be changed');
  elsif v_batch.status not in ('draft', 'scheduled') and p_changes - 'name' <> '{}' then
    perform batchline.refuse(400, 'batch_call_started', 'Batch call has started: only its name can be changed');
  end if;
  if p_changes ? 'agent_mapping_id' then
    perform batchline.require_agent(v_key.agency_id, v_new.agent_mapping_id, 'agent_id');
  end if;
  perform batchline.require_time_zone(p_changes ->> 'timezone', 'timezone');
  if p_changes ?| '{status,scheduled_for,send_now}' then
    select start.status, start.start_at into v_new.status, v_new.scheduled_for
    from batchline.batch_call_start(
      coalesce(p_changes ->> 'status', case when not v_send_now then v_batch.status end),
      v_new.scheduled_for, v_send_now
    ) as start;
    if v_new.status <> 'draft' then
      perform batchline.require_before_end(v_batch, coalesce(v_new.scheduled_for, batchline.clock()));
    end if;
  end if;

  update public.call_batches
  set status = v_new.status, name = v_new.name, scheduled_for = v_new.scheduled_for, timezone = v_new.timezone,
      agent_mapping_id = v_new.agent_mapping_id, edited_at = batchline.clock()
  where id = p_batch_id and status = v_batch.status
  returning * into v_batch;
  perform batchline.log_batch_event(
    v_batch, 'edited', 'API key ' || v_key.name, v_key.created_by, batchline.key_detail(v_key)
  );
  return batchline.batch_call_json(v_batch);
end;
$$;
