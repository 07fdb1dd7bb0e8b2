create function batchline.is_id_of_another(p_call public.calls, p_ultravox_call_id uuid)
returns boolean
language sql stable set search_path = ''
as $$
  select exists (
    select from public.calls
    where agency_id = p_call.agency_id and ultravox_call_id = p_ultravox_call_id
      and contact_id is not null and id <> p_call.id
  );
$$;
