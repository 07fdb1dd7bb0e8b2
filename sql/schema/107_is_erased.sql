-- Whether a person has been forgotten since they were called: the provider tells of such calls again at the next import.
create function batchline.is_erased(p_agency_id uuid, p_phone_number text, p_called_at timestamptz)
returns boolean
language sql stable set search_path = ''
as $$
  select exists (
    select from public.erasures
    where agency_id = p_agency_id
      and number_hash = batchline.erased_number(p_agency_id, p_phone_number)
      and created_at >= coalesce(p_called_at, '-infinity')
  );
$$;
