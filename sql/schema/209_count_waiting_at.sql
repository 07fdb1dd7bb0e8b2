-- How many wait at one of an agency's numbers.
create function batchline.count_waiting_at(p_agency_id uuid, p_phone_number text)
returns bigint
language sql stable set search_path = ''
as $$
  select count(*)
  from public.campaign_contacts
  where agency_id = p_agency_id and phone_number = p_phone_number and status in ('pending', 'queued');
$$;
