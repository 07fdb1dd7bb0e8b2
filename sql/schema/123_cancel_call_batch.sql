create function batchline.cancel_call_batch(p_user_id uuid, p_batch_id uuid)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_before public.call_batches := batchline.require_batch(v_user.agency_id, p_batch_id);
  v_batch public.call_batches;
begin
  v_batch := batchline.close_batch(v_before, 'cancelled', 'Cancelled by user', v_user.id);
  if v_batch.id is null then
    perform batchline.refuse(400, 'batch_already_final', 'Batch is already completed or cancelled');
  end if;
  return jsonb_build_object(
    'success', true,
    'batch_id', v_batch.id,
    'status', v_batch.status,
    'contacts_skipped', v_batch.skipped - v_before.skipped,
    'message', 'Batch cancelled. In-progress calls will complete but no new calls will be initiated.',
    'hang_up_calls', (
      select coalesce(jsonb_agg(ultravox_call_id), '[]')
      from public.calls
      where batch_id = p_batch_id and is_live and status = 'answered'
    ),
    'agency_id', v_batch.agency_id
  );
end;
$$;
