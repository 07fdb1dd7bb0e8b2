create table public.historical_sync_failures (
  id bigint generated always as identity primary key,
  agency_id uuid not null references public.agencies (id),
  job_id uuid not null references public.historical_sync_jobs (id) on delete cascade,
  ultravox_call_id text,  -- as it was sent, which may be no id at all
  reason text not null,
  created_at timestamptz not null default batchline.clock()
);
comment on table public.historical_sync_failures is 'A call that an import could not read, and why.';
create index historical_sync_failures_job_idx on public.historical_sync_failures (job_id, id);
create index historical_sync_failures_agency_idx on public.historical_sync_failures (agency_id);
