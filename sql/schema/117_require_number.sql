create function batchline.require_number(p_agency_id uuid, p_phone_number text)
returns void
language plpgsql stable set search_path = ''
as $$
begin
  if not exists (
    select from public.agency_phone_numbers
    where agency_id = p_agency_id and phone_number = p_phone_number and active
  ) then
    perform batchline.refuse(
      404, 'from_number_not_found', 'from_number: not an active phone number of the user''s agency'
    );
  end if;
end;
$$;
