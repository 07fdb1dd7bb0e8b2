-- p_seed: what the secret can be worked out from again, though not without a key that the database does not have. It is
-- kept for a repeated request only, which is to have the same answer.
create function batchline.create_api_key(
  p_user_id uuid, p_name text, p_secret_hash text, p_seed text, p_once jsonb default null
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_answer jsonb := batchline.recall_answer(v_user.agency_id, 'api-keys-create', p_once);
  v_key public.api_keys;
begin
  if v_answer is not null then
    return v_answer;
  end if;
  insert into public.api_keys (agency_id, name, secret_hash, created_by)
  values (v_user.agency_id, p_name, decode(p_secret_hash, 'hex'), v_user.id)
  returning * into v_key;
  return batchline.keep_answer(
    v_user.agency_id, 'api-keys-create', p_once,
    public.api_key_json(v_key) || jsonb_build_object('seed', p_seed, 'secret_hash', p_secret_hash)
  );
end;
$$;
