-- A draft or a scheduled batch starts as soon as the processor runs.
create function batchline.execute_batch_call(p_api_key text, p_secret_hash text, p_batch_id uuid)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_key public.api_keys := batchline.require_api_key(p_api_key, p_secret_hash, true);
  v_batch public.call_batches := batchline.require_batch_call(v_key.agency_id, p_batch_id);
begin
  v_batch := batchline.execute_batch(v_batch, null, v_key.created_by, batchline.key_detail(v_key));
  if v_batch.id is null then
    perform batchline.refuse(
      400, 'batch_call_not_executable', 'Batch call has been sent (only drafts and scheduled ones can be executed)'
    );
  end if;
  return batchline.batch_call_json(v_batch);
end;
$$;
