create table public.call_events (
  id bigint generated always as identity primary key,
  agency_id uuid not null references public.agencies (id),
  batch_id uuid references public.call_batches (id),
  contact_id uuid references public.campaign_contacts (id),
  call_id uuid references public.calls (id) on delete set null,  -- an imported row may turn out to be a call of ours
  event text not null,
  reason text,
  detail jsonb,
  actor uuid references public.users (id) on delete set null,  -- null: the processor or the provider
  at timestamptz not null default batchline.clock(),
  ultravox_call_id uuid,
  payload jsonb,
  constraint event_is_known check (
    event in (
      'created', 'started', 'paused', 'resumed', 'cancelled', 'completed', 'failed',
      'claimed', 'released', 'begun', 'accepted', 'refused', 'throttled', 'unknown', 'asked', 'adopted', 'answered',
      'ended', 'requeued', 'deferred', 'skipped', 'not_placed', 'late_acceptance', 'executed', 'edited', 'deleted', 'appended',
      'call.started', 'call.joined', 'call.ended', 'call.billed'
    )
  ),
  constraint payload_exactly_for_provider_events check ((event like 'call.%') = (payload is not null))
);
comment on table public.call_events is
  'Append-only: every decision about a batch, contact or call with its time and rule, and what the provider told us.';
create index call_events_contact_idx on public.call_events (contact_id, id);
create index call_events_call_idx on public.call_events (call_id);
create index call_events_batch_idx on public.call_events (batch_id, id);
-- A contact's trail shows what befell its whole batch: a handful of rows among those of every contact.
create index call_events_whole_batch_idx on public.call_events (batch_id, id)
  where contact_id is null and batch_id is not null;
-- What alarms count (batchline.vitals): rare, and always the latest minutes.
create index call_events_alarms_idx on public.call_events (at)
  where event in ('paused', 'throttled', 'late_acceptance');
create index call_events_agency_idx on public.call_events (agency_id);
create index call_events_actor_idx on public.call_events (actor);
-- The provider repeats itself: one row for each event of a call.
create unique index call_events_provider_event_idx on public.call_events (agency_id, ultravox_call_id, event)
  where payload is not null;
