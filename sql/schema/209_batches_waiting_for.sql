-- The batches in which somebody at one of these numbers waits or is being called. Each number is looked up by itself
-- (offset 0): joined as a whole, a planner without statistics reads all contacts and calls of the agency.
create function batchline.batches_waiting_for(p_agency_id uuid, p_phone_numbers text[])
returns uuid[]
language sql stable set search_path = ''
as $$
  select coalesce(array_agg(distinct found.batch_id), '{}')
  from unnest(p_phone_numbers) as named (phone_number)
  cross join lateral (
    select contact.batch_id from public.campaign_contacts as contact
    where contact.agency_id = p_agency_id and contact.phone_number = named.phone_number
      and contact.status in ('pending', 'queued')
    union all
    select call.batch_id from public.calls as call
    where call.agency_id = p_agency_id and call.to_number = named.phone_number and call.is_live
    offset 0
  ) as found;
$$;
