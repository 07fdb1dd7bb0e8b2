create table public.historical_sync_jobs (
  id uuid primary key default gen_random_uuid(),
  status text not null default 'pending',
  agency_id uuid not null references public.agencies (id),
  date_from timestamptz,  -- null: from the beginning
  date_to timestamptz not null,  -- fixed at creation: calls that come later shift no page
  total_calls int,  -- what the provider announced
  processed_calls int not null default 0,
  imported_calls int not null default 0,
  updated_calls int not null default 0,
  skipped_calls int not null default 0,  -- already there, unchanged
  failed_calls int not null default 0,
  oldest_call_at timestamptz,
  newest_call_at timestamptz,
  cursor text,  -- of the next page; null: the first
  attempts int not null default 0,  -- failed runs in a row
  resume_after timestamptz,  -- the provider asked for a pause (Retry-After)
  error_message text,
  last_error_at timestamptz,
  claimed_by text,
  claimed_until timestamptz,
  created_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default batchline.clock(),
  started_at timestamptz,
  completed_at timestamptz,
  last_activity_at timestamptz,
  constraint sync_status_is_known check (status in ('pending', 'in_progress', 'completed', 'failed', 'cancelled')),
  constraint sync_range_is_not_empty check (date_from < date_to),
  constraint sync_counters_are_not_negative check (
    least(total_calls, imported_calls, updated_calls, skipped_calls, failed_calls, attempts) >= 0
  ),
  constraint sync_counters_add_up check (
    processed_calls = imported_calls + updated_calls + skipped_calls + failed_calls
  ),
  constraint sync_started_at_unset_while_pending check (status <> 'pending' or started_at is null),
  constraint sync_started_at_set_once_begun check (
    status not in ('in_progress', 'completed') or started_at is not null
  ),
  constraint sync_completed_at_exactly_when_final check (
    (status in ('completed', 'failed', 'cancelled')) = (completed_at is not null)
  ),
  constraint sync_lease_has_a_holder check ((claimed_by is null) = (claimed_until is null)),
  constraint sync_lease_only_in_progress check (claimed_by is null or status = 'in_progress'),
  constraint failed_sync_says_why check (status <> 'failed' or error_message is not null)
);
comment on table public.historical_sync_jobs is 'One import of an agency''s past calls over a range of dates.';
-- Of 30 who start at once, this decides.
create unique index historical_sync_jobs_one_active_idx on public.historical_sync_jobs (agency_id)
  where status in ('pending', 'in_progress');
create index historical_sync_jobs_newest_idx on public.historical_sync_jobs (agency_id, created_at desc, id desc);
create index historical_sync_jobs_created_by_idx on public.historical_sync_jobs (created_by);
