-- What a batch's event says of the API key that it came by.
create function batchline.key_detail(p_key public.api_keys)
returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_object(
    'who', jsonb_build_object('type', 'api_key', 'id', p_key.id, 'name', p_key.name, 'email', null)
  );
$$;
