create table public.calls (
  id uuid primary key default gen_random_uuid(),
  status text not null,
  agency_id uuid not null references public.agencies (id),
  batch_id uuid references public.call_batches (id),
  contact_id uuid references public.campaign_contacts (id),  -- null: an imported past call
  agent_mapping_id uuid references public.agent_mappings (id),
  ultravox_call_id uuid,
  to_number text,
  from_number text,
  attempt int,
  max_duration_seconds int,
  claimed_by text,
  claimed_at timestamptz,
  claimed_until timestamptz,  -- the lease of a claimed or dialing call
  began_at timestamptz,  -- from here on the provider may have been asked
  dial_result text,  -- what the dial itself came to, as settle_dials was told
  unknown_at timestamptz,
  asked_at timestamptz,  -- when the provider was last asked about it
  none_at timestamptz,  -- when the provider first said that it knows of no such call
  accepted_at timestamptz,
  joined_at timestamptz,
  ended_at timestamptz,
  news_at timestamptz,  -- when the provider last told us anything
  outcome text,
  end_reason text,
  reason text,
  duration_seconds int,
  billed_duration_seconds int,
  billing_status text,
  short_summary text,
  summary text,
  raw jsonb,  -- the fullest payload seen
  created_at timestamptz not null default batchline.clock(),
  is_live boolean generated always as (
    contact_id is not null and status in ('claimed', 'dialing', 'unknown', 'ringing', 'answered')
  ) stored,
  constraint call_status_is_known check (
    status in ('claimed', 'dialing', 'unknown', 'ringing', 'answered', 'ended', 'not_placed')
  ),
  constraint call_outcome_is_known check (
    outcome in ('answered', 'no_answer', 'busy', 'rejected', 'invalid_number', 'dropped', 'error', 'unknown')
  ),
  constraint dial_result_is_known check (
    dial_result in (
      'accepted', 'number_refused', 'refused', 'throttled', 'account_refused', 'agent_gone', 'unreachable', 'not_sent',
      'unknown'
    )
  ),
  constraint own_call_is_whole check (
    contact_id is null
    or (batch_id is not null and to_number is not null and from_number is not null and claimed_at is not null)
  ),
  constraint lease_exactly_while_claimed_or_dialing check (
    (status in ('claimed', 'dialing')) = (claimed_until is not null)
  ),
  constraint began_at_unset_while_claimed check (status <> 'claimed' or began_at is null),
  constraint began_at_set_once_begun check (
    contact_id is null or status in ('claimed', 'not_placed') or began_at is not null
  ),
  constraint unknown_has_a_time check (status <> 'unknown' or unknown_at is not null),
  constraint accepted_call_has_the_providers_id check (
    status not in ('ringing', 'answered') or ultravox_call_id is not null
  ),
  constraint call_ended_at_exactly_when_ended check ((status = 'ended') = (ended_at is not null)),
  constraint outcome_exactly_when_ended check ((status = 'ended') = (outcome is not null)),
  constraint ultravox_call_is_unique_per_agency unique (agency_id, ultravox_call_id)
);
comment on table public.calls is
  'One attempt to reach one contact, or an imported past call. The row exists before anything is dialled.';
-- Only one at a time: the last word, should every lock above fail.
create unique index calls_one_live_per_contact_idx on public.calls (contact_id) where is_live;
create unique index calls_one_live_per_number_idx on public.calls (agency_id, to_number) where is_live;
create index calls_begun_idx on public.calls (agency_id, began_at) where contact_id is not null and began_at is not null;
create index calls_number_idx on public.calls (agency_id, to_number, created_at) where to_number is not null;
create index calls_batch_idx on public.calls (batch_id, began_at);
create index calls_contact_idx on public.calls (contact_id);
-- An import may hold a person whom no list does.
create index calls_imported_number_idx on public.calls (agency_id, to_number) where contact_id is null;
create index calls_agent_mapping_idx on public.calls (agent_mapping_id);
-- Only the unique constraint's index is whole and starts with agency_id. With a second one, a plan kept from when the
-- table was small might look a call up by its agency alone.
