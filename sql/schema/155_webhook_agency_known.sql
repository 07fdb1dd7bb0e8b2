create function batchline.webhook_agency_known(p_agency_id uuid)
returns boolean
language sql stable set search_path = ''
as $$
  select exists (select from public.agencies where id = p_agency_id);
$$;
