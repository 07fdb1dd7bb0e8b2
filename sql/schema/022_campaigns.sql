create table public.campaigns (
  id uuid primary key default gen_random_uuid(),
  agency_id uuid not null references public.agencies (id),
  name text not null,
  calling_hours jsonb,
  retry jsonb,
  created_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default batchline.clock(),
  constraint campaign_retry_is_an_object check (jsonb_typeof(retry) = 'object')
);
comment on table public.campaigns is 'A named group of batches and contacts, with defaults for both.';
create index campaigns_agency_idx on public.campaigns (agency_id, created_at desc);
create index campaigns_created_by_idx on public.campaigns (created_by);
