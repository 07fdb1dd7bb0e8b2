create table public.users (
  id uuid primary key references auth.users (id) on delete cascade,
  agency_id uuid references public.agencies (id),
  role text not null,
  email text not null,
  full_name text,
  created_at timestamptz not null default batchline.clock(),
  constraint user_role_is_known check (
    role in ('agency_owner', 'agency_admin', 'agency_member', 'client_admin', 'client_viewer', 'admin')
  )
);
comment on table public.users is 'A person of an agency; role and agency are read here at every request, never from the token.';
create index users_agency_idx on public.users (agency_id);
