create table public.call_batches (
  id uuid primary key default gen_random_uuid(),
  status text not null default 'pending',  -- near the top: it is what an operator looks for in select *
  agency_id uuid not null references public.agencies (id),
  campaign_id uuid references public.campaigns (id),
  agent_mapping_id uuid not null references public.agent_mappings (id),
  name text,
  from_number text not null,
  calls_per_minute int not null default 30,
  max_concurrent int not null default 10,
  calling_hours jsonb,
  retry jsonb not null,
  scheduled_for timestamptz,
  total_contacts int not null default 0,
  queued int not null default 0,
  in_progress int not null default 0,
  completed int not null default 0,
  failed int not null default 0,
  skipped int not null default 0,
  pending int generated always as (total_contacts - queued - in_progress - completed - failed - skipped) stored,
  waiting_until timestamptz,
  error_message text,
  created_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default batchline.clock(),
  started_at timestamptz,
  resumed_at timestamptz,
  paused_at timestamptz,
  completed_at timestamptz,
  timezone text not null default 'UTC',  -- for contacts whose own zone is not known
  tasks_object text,  -- the list as a program sent it, in object storage
  edited_at timestamptz,
  deleted_at timestamptz,  -- hidden from every reader; its calls stay, since pace and caps rest on them
  updated_at timestamptz generated always as (
    greatest(created_at, edited_at, started_at, resumed_at, paused_at, completed_at, deleted_at)
  ) stored,
  ends_at timestamptz,  -- who is left then is not called any more
  redial_of uuid references public.call_batches (id),  -- whose contacts that were not reached it calls again
  constraint batch_status_is_known check (
    status in ('draft', 'scheduled', 'pending', 'processing', 'paused', 'completed', 'failed', 'cancelled')
  ),
  constraint paused_at_exactly_while_paused check ((status = 'paused') = (paused_at is not null)),
  constraint completed_at_exactly_when_final check (
    (status in ('completed', 'failed', 'cancelled')) = (completed_at is not null)
  ),
  constraint started_at_unset_before_the_start check (
    status not in ('draft', 'scheduled', 'pending') or started_at is null
  ),
  constraint started_at_set_while_processing check (
    status not in ('processing', 'completed') or started_at is not null
  ),
  constraint scheduled_has_a_time check (status <> 'scheduled' or scheduled_for is not null),
  constraint scheduled_before_its_end check (status <> 'scheduled' or scheduled_for < ends_at),
  constraint error_message_when_failed check (status <> 'failed' or error_message is not null),
  constraint batch_pace_is_positive check (calls_per_minute > 0 and max_concurrent > 0),
  constraint counters_are_not_negative check (
    least(pending, queued, in_progress, completed, failed, skipped) >= 0
  ),
  constraint completed_means_nothing_left check (status <> 'completed' or pending + queued + in_progress = 0),
  constraint waiting_only_while_processing check (waiting_until is null or status = 'processing'),
  constraint deleted_only_as_draft_or_when_final check (
    deleted_at is null or status in ('draft', 'completed', 'failed', 'cancelled')
  )
);
comment on table public.call_batches is 'One run over a list of contacts with one agent, one caller id, a pace and a concurrency limit.';
create index call_batches_newest_idx on public.call_batches (agency_id, created_at desc, id desc);
create index call_batches_active_idx on public.call_batches (agency_id, scheduled_for)
  where status in ('pending', 'scheduled', 'processing');
create index call_batches_ending_idx on public.call_batches (agency_id, ends_at)
  where status in ('processing', 'paused') and ends_at is not null;
create index call_batches_campaign_idx on public.call_batches (campaign_id);
create index call_batches_agent_mapping_idx on public.call_batches (agent_mapping_id);
create index call_batches_created_by_idx on public.call_batches (created_by);
create index call_batches_redial_of_idx on public.call_batches (redial_of);
