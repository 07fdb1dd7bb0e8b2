-- A draft starts: at its time where that is still to come, else as soon as the processor runs.
create function batchline.execute_call_batch(p_user_id uuid, p_batch_id uuid)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_batch public.call_batches := batchline.require_batch(v_user.agency_id, p_batch_id);
begin
  if v_batch.status <> 'draft' then
    perform batchline.refuse(400, 'batch_not_draft', 'Batch is not a draft (only draft batches can be executed)');
  end if;
  v_batch := batchline.execute_batch(
    v_batch, case when v_batch.scheduled_for > batchline.clock() then v_batch.scheduled_for end, v_user.id
  );
  return jsonb_build_object(
    'success', true,
    'batch_id', v_batch.id,
    'status', v_batch.status,
    'scheduled_for', public.iso_utc(v_batch.scheduled_for),
    'message', case v_batch.status
      when 'scheduled' then 'Batch scheduled to start at ' || public.iso_utc(v_batch.scheduled_for)
      else 'Batch executed. The processor will start making calls on the next run.'
    end
  );
end;
$$;
