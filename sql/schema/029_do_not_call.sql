create table public.do_not_call (
  agency_id uuid not null references public.agencies (id),
  phone_number text not null,
  reason text,
  added_by uuid references public.users (id) on delete set null,  -- null: the person asked for it during a call
  created_at timestamptz not null default batchline.clock(),
  call_id uuid references public.calls (id) on delete set null,  -- the call in which it was asked for
  id bigint generated always as identity,  -- the order in which numbers were added: where a page goes on
  skipping boolean not null default false,  -- people who wait at it are still to be skipped: see skip_forbidden
  primary key (agency_id, phone_number)
);
comment on table public.do_not_call is 'Numbers an agency never dials.';
create index do_not_call_added_by_idx on public.do_not_call (added_by);
create index do_not_call_newest_idx on public.do_not_call (agency_id, id desc);
create index do_not_call_call_idx on public.do_not_call (call_id);
create index do_not_call_skipping_idx on public.do_not_call (agency_id, id) where skipping;
