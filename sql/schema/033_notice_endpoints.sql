create table public.notice_endpoints (
  agency_id uuid primary key references public.agencies (id),
  url text not null,
  events text[] not null,
  active boolean not null default true,
  disabled_reason text,
  secret_seed text not null,  -- worth nothing without the service key, under which it becomes the secret
  secret_hash text not null,  -- of the secret: tells when the service key has changed since
  previous_seed text,
  previous_until timestamptz,  -- until then notices carry the previous secret's signature too
  updated_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default batchline.clock(),
  updated_at timestamptz not null default batchline.clock(),
  constraint notice_events_are_known check (
    events <@ array[
      'batch.started', 'batch.paused', 'batch.completed', 'batch.failed', 'batch.cancelled', 'contact.finished'
    ]
    and cardinality(events) > 0
  ),
  constraint disabled_reason_exactly_while_inactive check (active = (disabled_reason is null)),
  constraint previous_secret_ends check ((previous_seed is null) = (previous_until is null))
);
comment on table public.notice_endpoints is 'Where an agency wants to be told what became of its batches, and of which events.';
create index notice_endpoints_updated_by_idx on public.notice_endpoints (updated_by);
