-- An API key as every answer shows it.
create function public.api_key_json(p_key public.api_keys)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_key.id,
    'name', p_key.name,
    'api_key', p_key.api_key,
    'created_by', p_key.created_by,
    'created_at', public.iso_utc(p_key.created_at),
    'last_used_at', public.iso_utc(p_key.last_used_at),
    'revoked_at', public.iso_utc(p_key.revoked_at)
  );
$$;
