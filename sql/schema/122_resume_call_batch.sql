-- paused -> scheduled where it has not started and its time is still to come, else -> processing, and started properly.
create function batchline.resume_call_batch(p_user_id uuid, p_batch_id uuid)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_batch public.call_batches := batchline.require_batch(v_user.agency_id, p_batch_id);
  v_now timestamptz := batchline.clock();
begin
  if v_batch.status = 'paused' then
    perform batchline.require_resumable(v_batch);
  end if;
  update public.call_batches
  set status = case when started_at is null and scheduled_for > v_now then 'scheduled' else 'processing' end,
      started_at = case when started_at is null and scheduled_for > v_now then null else coalesce(started_at, v_now) end,
      resumed_at = v_now,
      paused_at = null,
      error_message = null
  where id = p_batch_id and status = 'paused'
  returning * into v_batch;
  if not found then
    perform batchline.refuse(
      400, 'batch_not_paused', 'Batch is not paused (only paused batches can be resumed)'
    );
  end if;
  perform batchline.log_batch_event(v_batch, 'resumed', p_actor => v_user.id);
  if v_batch.status = 'processing' then
    perform batchline.start_contacts(p_batch_id);
    perform batchline.complete_batches(array[p_batch_id]);
  end if;
  return jsonb_build_object(
    'success', true,
    'batch_id', v_batch.id,
    'status', v_batch.status,
    'message', case v_batch.status
      when 'scheduled' then 'Batch scheduled to resume at ' || public.iso_utc(v_batch.scheduled_for)
      else 'Batch resumed. The processor will start making calls on the next run.'
    end
  );
end;
$$;
