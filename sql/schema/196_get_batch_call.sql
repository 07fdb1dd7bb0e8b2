create function batchline.get_batch_call(p_api_key text, p_secret_hash text, p_batch_id uuid)
returns jsonb
language sql volatile set search_path = ''
as $$
  select batchline.batch_call_json(batchline.find_batch_call(key.agency_id, p_batch_id))
  from batchline.require_api_key(p_api_key, p_secret_hash, false) as key;
$$;
