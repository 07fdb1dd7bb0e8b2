-- From its commit on the key opens nothing. Repeated, it changes nothing.
create function batchline.revoke_api_key(p_user_id uuid, p_id uuid)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_key public.api_keys;
begin
  update public.api_keys
  set revoked_at = coalesce(revoked_at, batchline.clock())
  where id = p_id and agency_id = v_user.agency_id
  returning * into v_key;
  if not found then
    perform batchline.refuse(404, 'api_key_not_found', 'API key not found or does not belong to the user''s agency');
  end if;
  return public.api_key_json(v_key);
end;
$$;
