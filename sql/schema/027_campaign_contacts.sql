create table public.campaign_contacts (
  id uuid primary key default gen_random_uuid(),
  status text not null default 'pending',
  agency_id uuid not null references public.agencies (id),
  batch_id uuid not null references public.call_batches (id),
  position int not null,  -- place in the list: people are dialled, and shown, in the order they were sent
  phone_number text not null,
  first_name text,
  last_name text,
  email text,
  company text,
  title text,
  timezone text,
  custom_data jsonb not null default '{}',
  attempts int not null default 0,  -- counted at the claim; taken back when nobody was certainly asked
  max_attempts int not null,
  next_attempt_at timestamptz,
  last_attempt_at timestamptz,
  call_id uuid,  -- the latest call; no foreign key, since calls point here
  outcome text,
  outcome_notes text,
  duration_seconds int,
  reason text,  -- why it is where it is; a final contact always has one
  reason_at timestamptz,
  created_at timestamptz not null default batchline.clock(),
  completed_at timestamptz,
  time_zones text[] default '{}',  -- calling hours must be open in all of them; null = in the batch's time zone
  constraint one_contact_per_number_and_batch unique (batch_id, phone_number),
  constraint one_contact_per_position_and_batch unique (batch_id, position),
  constraint contact_status_is_known check (
    status in ('pending', 'queued', 'in_progress', 'completed', 'failed', 'skipped')
  ),
  constraint contact_outcome_is_known check (
    outcome in ('answered', 'no_answer', 'busy', 'rejected', 'invalid_number', 'dropped', 'error', 'unknown')
  ),
  constraint contact_number_is_e164 check (phone_number ~ '^(\+[1-9][0-9]{6,14}|erased:[0-9a-f]{64})$'),
  constraint erased_contact_is_final check (
    phone_number not like 'erased:%' or status in ('completed', 'failed', 'skipped')
  ),
  constraint attempts_within_budget check (attempts between 0 and max_attempts),
  constraint max_attempts_are_sensible check (max_attempts between 1 and 11),
  constraint queued_has_attempts_left check (status <> 'queued' or attempts < max_attempts),
  constraint next_attempt_exactly_while_queued check ((status = 'queued') = (next_attempt_at is not null)),
  constraint queued_has_time_zones check (status <> 'queued' or time_zones is not null),
  constraint in_progress_has_a_call check (status <> 'in_progress' or (call_id is not null and attempts > 0)),
  constraint contact_completed_at_exactly_when_final check (
    (status in ('completed', 'failed', 'skipped')) = (completed_at is not null)
  ),
  constraint final_contact_has_a_reason check (
    status not in ('completed', 'failed', 'skipped') or (reason is not null and reason_at is not null)
  ),
  constraint completed_contact_was_answered check ((status = 'completed') = (outcome is not distinct from 'answered'))
);
comment on table public.campaign_contacts is 'One person on a batch''s list.';
create index campaign_contacts_queue_idx on public.campaign_contacts (batch_id, time_zones, next_attempt_at, position)
  where status = 'queued';
create index campaign_contacts_status_idx on public.campaign_contacts (batch_id, status, position);
create index campaign_contacts_open_numbers_idx on public.campaign_contacts (agency_id, phone_number)
  where status in ('pending', 'queued');
create index campaign_contacts_called_idx on public.campaign_contacts (batch_id)
  where attempts > 0 and status in ('queued', 'failed', 'skipped');
create index campaign_contacts_agency_idx on public.campaign_contacts (agency_id);
