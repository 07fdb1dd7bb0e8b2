-- The calls of these contacts, and imported ones to the number. Of one that was no outgoing call the number is only in
-- the payload.
create function batchline.calls_of_person(p_agency_id uuid, p_contact_ids uuid[], p_phone_number text)
returns uuid[]
language sql stable
set search_path = '' set enable_seqscan = off set jit = off
as $$
  select array(
    select id from public.calls where contact_id = any (p_contact_ids)
    union
    select id from public.calls where agency_id = p_agency_id and contact_id is null and to_number = p_phone_number
    union
    select id from public.calls
    where agency_id = p_agency_id and contact_id is null and to_number is null
      and position(substr(p_phone_number, 2) in raw::text) > 0
  );
$$;
