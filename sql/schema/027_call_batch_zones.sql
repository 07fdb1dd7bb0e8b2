create table public.call_batch_zones (
  batch_id uuid not null references public.call_batches (id) on delete cascade,
  time_zones text[] not null,  -- as its contacts have them
  agency_id uuid not null references public.agencies (id),
  opens_at timestamptz not null,  -- from then until closes_at calls may begin; nothing may before
  closes_at timestamptz not null,  -- what follows is found out when it has passed
  created_at timestamptz not null default batchline.clock(),
  waiting int not null default 0,  -- contacts that are pending or queued
  primary key (batch_id, time_zones),
  constraint waiting_is_not_negative check (waiting >= 0),
  constraint opens_before_it_closes check (opens_at <= closes_at)
);
comment on table public.call_batch_zones is
  'When a batch''s calling hours are open next, for each set of time zones that its contacts are in: so that a claim '
  'reckons no time zones and passes over nobody who sleeps.';
create index call_batch_zones_agency_idx on public.call_batch_zones (agency_id);
