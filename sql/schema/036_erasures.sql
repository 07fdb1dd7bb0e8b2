create table public.erasures (
  id uuid primary key default gen_random_uuid(),
  agency_id uuid not null references public.agencies (id),
  number_hash text not null,
  created_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default batchline.clock(),
  changed jsonb not null,  -- how many rows of what
  constraint erased_number_is_a_hash check (number_hash ~ '^erased:[0-9a-f]{64}$')
);
comment on table public.erasures is 'Who was forgotten, as a hash, when, by whom, and how many rows that changed.';
create index erasures_number_idx on public.erasures (agency_id, number_hash, created_at);
create index erasures_created_by_idx on public.erasures (created_by);
