create table public.notices (
  id uuid primary key default gen_random_uuid(),  -- the webhook-id: the same at every attempt
  seq bigint generated always as identity,  -- of one batch's notices the order of the changes: each holds the batch's row
  status text not null default 'waiting',
  agency_id uuid not null references public.agencies (id),
  batch_id uuid not null references public.call_batches (id),
  contact_id uuid references public.campaign_contacts (id),
  event text not null,
  data jsonb not null,  -- what it was at that moment; who the person is, is read when it is sent
  attempts int not null default 0,
  next_attempt_at timestamptz not null,
  last_answer int,  -- the HTTP status of the latest attempt; null: there was no answer
  last_error text,
  claimed_by text,
  claimed_until timestamptz,
  created_at timestamptz not null,
  finished_at timestamptz,
  constraint notice_seq_is_unique unique (seq),
  constraint notice_status_is_known check (status in ('waiting', 'delivered', 'failed')),
  constraint notice_event_is_known check (
    event in ('batch.started', 'batch.paused', 'batch.completed', 'batch.failed', 'batch.cancelled', 'contact.finished')
  ),
  constraint notice_is_about_a_contact_exactly_when_it_says_so check (
    (event like 'contact.%') = (contact_id is not null)
  ),
  constraint notice_finished_at_exactly_when_final check ((status = 'waiting') = (finished_at is null)),
  constraint failed_notice_says_why check (status <> 'failed' or last_error is not null),
  constraint notice_lease_has_a_holder check ((claimed_by is null) = (claimed_until is null)),
  constraint notice_lease_only_while_waiting check (claimed_by is null or status = 'waiting')
);
comment on table public.notices is
  'What agencies are to be told, written in the transaction of the change it tells of; kept 30 days after it is final.';
create index notices_waiting_idx on public.notices (batch_id, seq) where status = 'waiting';
create index notices_batch_idx on public.notices (batch_id, seq);
create index notices_contact_idx on public.notices (contact_id);
create index notices_newest_idx on public.notices (agency_id, seq);
create index notices_failed_idx on public.notices (agency_id, seq) where status = 'failed';
create index notices_finished_idx on public.notices (finished_at) where finished_at is not null;
