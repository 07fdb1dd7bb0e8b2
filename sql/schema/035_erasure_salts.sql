create table public.erasure_salts (
  agency_id uuid primary key references public.agencies (id),
  -- 244 random bits. Phone numbers are few: whoever has this can try them all, so nobody reads it but service_role.
  salt bytea not null default sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())),
  created_at timestamptz not null default batchline.clock()
);
comment on table public.erasure_salts is 'What makes the hash that stands for an erased number; made at an agency''s first erasure.';
