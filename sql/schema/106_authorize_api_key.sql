-- For a request that is refused before it reaches its verb: 401 still comes before 400.
create function batchline.authorize_api_key(p_api_key text, p_secret_hash text)
returns jsonb
language sql volatile set search_path = ''
as $$
  select jsonb_build_object('agency_id', key.agency_id)
  from batchline.require_api_key(p_api_key, p_secret_hash, true) as key;
$$;
