-- The batches in which somebody at one of these numbers waits or is being called.
create function batchline.batches_waiting_for(p_agency_id uuid, p_phone_numbers text[])
returns uuid[]
language sql stable set search_path = ''
as $$
  select coalesce(array_agg(found.batch_id), '{}')
  from (
    select contact.batch_id
    from unnest(p_phone_numbers) as named (phone_number)
    join public.campaign_contacts as contact
      on contact.agency_id = p_agency_id and contact.phone_number = named.phone_number
      and contact.status in ('pending', 'queued')
    union
    select call.batch_id
    from unnest(p_phone_numbers) as named (phone_number)
    join public.calls as call on call.agency_id = p_agency_id and call.to_number = named.phone_number and call.is_live
  ) as found;
$$;
