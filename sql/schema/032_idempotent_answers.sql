create table public.idempotent_answers (
  agency_id uuid not null references public.agencies (id),
  endpoint text not null,
  key text not null,  -- the client's Idempotency-Key
  fingerprint text not null,  -- what the body meant: a hash of the validated model
  answer jsonb not null,
  created_at timestamptz not null default batchline.clock(),
  primary key (agency_id, endpoint, key)
);
comment on table public.idempotent_answers is
  'What was answered to requests that created something, kept 7 days, so that a repeated one creates nothing.';
create index idempotent_answers_age_idx on public.idempotent_answers (agency_id, created_at);
