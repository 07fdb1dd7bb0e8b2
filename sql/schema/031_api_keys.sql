create table public.api_keys (
  id uuid primary key default gen_random_uuid(),
  agency_id uuid not null references public.agencies (id),
  name text not null,
  api_key text not null default 'bl_key_' || replace(gen_random_uuid()::text, '-', ''),  -- its public half
  secret_hash bytea not null,  -- SHA-256: the secret has 256 random bits, so nothing slower is needed
  created_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default batchline.clock(),
  last_used_at timestamptz,  -- to the minute
  revoked_at timestamptz,
  constraint api_key_is_unique unique (api_key),
  constraint secret_hash_is_a_sha256 check (octet_length(secret_hash) = 32)
);
comment on table public.api_keys is 'Keys with which programs of an agency call the batch-call endpoints.';
create index api_keys_agency_idx on public.api_keys (agency_id, created_at desc);
create index api_keys_created_by_idx on public.api_keys (created_by);
