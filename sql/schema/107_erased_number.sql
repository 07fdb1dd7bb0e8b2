-- What stands for a number that an agency has erased: the same each time, and no way back without the salt. Null where
-- the agency has erased nobody yet.
create function batchline.erased_number(p_agency_id uuid, p_phone_number text)
returns text
language sql stable set search_path = ''
as $$
  select 'erased:' || encode(sha256(salt || convert_to(p_phone_number, 'UTF8')), 'hex')
  from public.erasure_salts
  where agency_id = p_agency_id;
$$;
