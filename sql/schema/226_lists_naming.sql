-- The batches of the lists that name a number beside their rows: as a column, or in why they failed.
create function batchline.lists_naming(p_agency_id uuid, p_phone_number text)
returns uuid[]
language sql stable set search_path = ''
as $$
  select array(
    select batch_id
    from public.contact_imports
    where agency_id = p_agency_id
      and position(substr(p_phone_number, 2) in concat_ws(' ', columns::text, error_message)) > 0
  );
$$;
