-- Retry-After of the provider binds the whole agency: its account has one limit.
create function batchline.may_dial(p_agency_id uuid)
returns boolean
language sql volatile set search_path = ''
as $$
  select coalesce(dial_after <= batchline.clock(), true) from public.agencies where id = p_agency_id;
$$;
