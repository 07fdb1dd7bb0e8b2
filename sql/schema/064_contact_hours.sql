-- The calling hours that hold for a contact: its time zones, and the window that is open or next. Null where none hold,
-- or while nobody has looked yet.
create function public.contact_hours(p_contact public.campaign_contacts)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'time_zones', zone.time_zones,
    'opens_at', public.iso_utc(nullif(zone.opens_at, 'infinity')),
    'closes_at', public.iso_utc(nullif(zone.closes_at, 'infinity'))
  )
  from public.call_batch_zones as zone
  where zone.batch_id = p_contact.batch_id and zone.time_zones = p_contact.time_zones;
$$;
