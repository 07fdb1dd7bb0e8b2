create function batchline.pause_call_batch(p_user_id uuid, p_batch_id uuid)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_batch public.call_batches := batchline.require_batch(v_user.agency_id, p_batch_id);
begin
  v_batch := batchline.pause_batch(v_batch, null, v_user.id);
  if v_batch.id is null then
    perform batchline.refuse(
      400, 'batch_not_pausable',
      'Batch is not in a pausable state (only processing or scheduled batches can be paused)'
    );
  end if;
  return jsonb_build_object(
    'success', true,
    'batch_id', v_batch.id,
    'status', v_batch.status,
    'paused_at', public.iso_utc(v_batch.paused_at),
    'in_progress', v_batch.in_progress,
    'message', 'Batch paused. In-progress calls will continue until they complete.'
  );
end;
$$;
