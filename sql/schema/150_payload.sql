-- What is kept of a provider's Call: all but the secrets that it echoes.
create function batchline.payload(p_call jsonb)
returns jsonb
language sql immutable set search_path = ''
as $$
  select p_call - '{callbacks,sharedSecrets}'::text[];
$$;
