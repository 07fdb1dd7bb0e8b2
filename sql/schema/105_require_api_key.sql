-- Who asks with an API key, as the key is now. The secret comes hashed. Before the two hashes are compared both are
-- hashed once more, with a salt of the moment, so that the time which the comparison takes says nothing about either;
-- a key that does not exist is compared all the same. What writes counts for the key's limit.
create function batchline.require_api_key(p_api_key text, p_secret_hash text, p_writes boolean)
returns public.api_keys
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_salt bytea := uuid_send(gen_random_uuid());
  v_key public.api_keys;
begin
  select * into v_key from public.api_keys where api_key = p_api_key and revoked_at is null;
  if sha256(v_salt || coalesce(v_key.secret_hash, '')) <> sha256(v_salt || decode(p_secret_hash, 'hex')) then
    perform batchline.refuse(401, 'unauthorized', 'Missing or invalid API key or secret');
  end if;
  if p_writes then
    perform batchline.count_request(v_key.agency_id, v_key.id);
  end if;
  -- One of many requests at once writes it down; the others do not wait.
  update public.api_keys
  set last_used_at = v_now
  where id = (
    select id from public.api_keys
    where id = v_key.id and coalesce(last_used_at, '-infinity') < v_now - interval '1 minute'
    for no key update skip locked
  );
  return v_key;
end;
$$;
