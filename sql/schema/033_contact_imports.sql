create table public.contact_imports (
  id uuid primary key default gen_random_uuid(),
  status text not null default 'pending',
  agency_id uuid not null references public.agencies (id),
  batch_id uuid not null references public.call_batches (id) on delete cascade,
  expires_at timestamptz not null,  -- of the link by which the file is to come
  asked_at timestamptz,  -- when the object storage was last asked for the file
  etag text,  -- of the file that arrived: another one in its place is not read on
  size_bytes bigint,
  cursor bigint not null default 0,  -- bytes that are read: always the end of a row
  rows_seen int not null default 0,  -- as a spreadsheet numbers them, with the header and empty ones
  rows_read int not null default 0,
  added int not null default 0,
  duplicates_skipped int not null default 0,
  skipped int not null default 0,  -- of those added: will not be dialled
  invalid int not null default 0,
  columns jsonb,  -- what each column of the file was read as
  report_rows int,  -- null until the report is in object storage
  attempts int not null default 0,  -- failed runs in a row
  resume_after timestamptz,
  error_message text,
  last_error_at timestamptz,
  claimed_by text,
  claimed_until timestamptz,
  created_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default batchline.clock(),
  started_at timestamptz,
  completed_at timestamptz,
  last_activity_at timestamptz,
  erased int not null default 0,  -- rows about people who have been erased since the file was asked for
  constraint import_status_is_known check (status in ('pending', 'in_progress', 'completed', 'failed')),
  constraint import_counters_are_not_negative check (
    least(cursor, rows_seen, added, duplicates_skipped, skipped, invalid, report_rows, attempts, erased) >= 0
  ),
  constraint import_counters_add_up check (
    rows_read = added + duplicates_skipped + invalid + erased and skipped <= added
  ),
  constraint import_reads_no_further_than_the_file check (cursor <= coalesce(size_bytes, 0)),
  constraint import_knows_its_file_whole check ((etag is null) = (size_bytes is null)),
  constraint import_started_at_unset_while_pending check (status <> 'pending' or started_at is null),
  constraint import_started_at_set_once_begun check (
    status not in ('in_progress', 'completed') or (started_at is not null and size_bytes is not null)
  ),
  constraint import_completed_at_exactly_when_final check (
    (status in ('completed', 'failed')) = (completed_at is not null)
  ),
  constraint import_lease_has_a_holder check ((claimed_by is null) = (claimed_until is null)),
  constraint import_lease_only_in_progress check (claimed_by is null or status = 'in_progress'),
  constraint failed_import_says_why check (status <> 'failed' or error_message is not null)
);

comment on table public.contact_imports is 'One list of contacts that comes as a file. Open (pending, in_progress), it keeps its batch from completing.';

create index contact_imports_batch_idx on public.contact_imports (batch_id);
create index contact_imports_open_idx on public.contact_imports (batch_id) where status in ('pending', 'in_progress');
create index contact_imports_awaited_idx on public.contact_imports (asked_at nulls first, id)
  where status = 'pending' and size_bytes is null;
create index contact_imports_due_idx on public.contact_imports (coalesce(last_activity_at, created_at), id)
  where status in ('pending', 'in_progress') and size_bytes is not null;
create index contact_imports_agency_due_idx
  on public.contact_imports (agency_id, coalesce(last_activity_at, created_at), id)
  where status in ('pending', 'in_progress') and size_bytes is not null;
create index contact_imports_agency_idx on public.contact_imports (agency_id);
create index contact_imports_created_by_idx on public.contact_imports (created_by);
