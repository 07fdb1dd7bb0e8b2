create table public.agent_mappings (
  id uuid primary key default gen_random_uuid(),
  agency_id uuid not null references public.agencies (id),
  name text not null,
  ultravox_agent_id text not null,
  max_duration_seconds int not null default 3600,
  recording_enabled boolean not null default false,
  active boolean not null default true,
  created_at timestamptz not null default batchline.clock(),
  gone_at timestamptz,  -- when the provider's list was first without it
  constraint agent_mapping_is_unique_per_agency unique (agency_id, ultravox_agent_id),
  constraint max_duration_is_positive check (max_duration_seconds > 0),
  constraint gone_agent_is_inactive check (gone_at is null or not active)
);
comment on table public.agent_mappings is 'The agency''s voice agent: our id for a provider agent.';
