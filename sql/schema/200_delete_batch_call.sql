-- Hides a draft or what has ended from every reader.
create function batchline.delete_batch_call(p_api_key text, p_secret_hash text, p_batch_id uuid)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_key public.api_keys := batchline.require_api_key(p_api_key, p_secret_hash, true);
  v_batch public.call_batches := batchline.require_batch_call(v_key.agency_id, p_batch_id);
begin
  update public.call_batches
  set deleted_at = batchline.clock()
  where id = p_batch_id and status in ('draft', 'completed', 'failed', 'cancelled')
  returning * into v_batch;
  if not found then
    perform batchline.refuse(
      400, 'batch_call_not_deletable',
      'Batch call is scheduled or running (only drafts and those that have ended can be deleted)'
    );
  end if;
  perform batchline.log_batch_event(
    v_batch, 'deleted', 'API key ' || v_key.name, v_key.created_by, batchline.key_detail(v_key)
  );
  return jsonb_build_object('id', v_batch.id, 'tasks_object', v_batch.tasks_object);
end;
$$;
