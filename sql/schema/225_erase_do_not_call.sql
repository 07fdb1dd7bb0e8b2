-- A number that is never to be dialled stays on the list as its hash, by which add_contacts knows it again.
create function batchline.erase_do_not_call(p_agency_id uuid, p_phone_number text, p_hash text)
returns int
language plpgsql volatile set search_path = ''
as $$
begin
  insert into public.do_not_call (agency_id, phone_number, added_by, created_at, call_id)
  select agency_id, p_hash, added_by, created_at, call_id
  from public.do_not_call
  where agency_id = p_agency_id and phone_number = p_phone_number
  on conflict (agency_id, phone_number) do nothing;
  delete from public.do_not_call where agency_id = p_agency_id and phone_number = p_phone_number;
  return found::int;
end;
$$;
