create table public.do_not_call (
  agency_id uuid not null references public.agencies (id),
  phone_number text not null,
  reason text,
  added_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default batchline.clock(),
  primary key (agency_id, phone_number)
);
comment on table public.do_not_call is 'Numbers an agency never dials.';
create index do_not_call_added_by_idx on public.do_not_call (added_by);
