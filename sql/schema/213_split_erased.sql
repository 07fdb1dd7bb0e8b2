-- Of the contacts of a chunk, who is to be stored, and a fault for each who has been erased since the file was asked for:
-- when it was written nobody can tell, and it may well have been before. Such a row is not stored, not even for a moment.
create function batchline.split_erased(
  p_import public.contact_imports, p_contacts jsonb, out kept jsonb, out faults jsonb
)
language plpgsql stable set search_path = ''
as $$
begin
  kept := p_contacts;
  faults := '[]';
  if exists (
    select from public.erasures where agency_id = p_import.agency_id and created_at >= p_import.created_at
  ) then
    select coalesce(jsonb_agg(list.contact order by list.place) filter (where erased.at is null), '[]'),
           coalesce(jsonb_agg(
             jsonb_build_array(list.contact -> 'row', null, 'erased', to_char(erased.at at time zone 'UTC', 'YYYY-MM-DD'))
           ) filter (where erased.at is not null), '[]')
    into kept, faults
    from jsonb_array_elements(p_contacts) with ordinality as list (contact, place)
    cross join lateral (
      select max(created_at) as at
      from public.erasures
      where agency_id = p_import.agency_id and created_at >= p_import.created_at
        and number_hash = batchline.erased_number(p_import.agency_id, list.contact ->> 'phone_number')
    ) as erased;
  end if;
end;
$$;
