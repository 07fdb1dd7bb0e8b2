-- A contact as every answer shows it. Whom calling hours keep waiting is told so here, since nothing is written for it.
create function public.contact_json(p_contact public.campaign_contacts)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_contact.id,
    'phone_number', p_contact.phone_number,
    'first_name', p_contact.first_name,
    'last_name', p_contact.last_name,
    'email', p_contact.email,
    'company', p_contact.company,
    'title', p_contact.title,
    'status', p_contact.status,
    'reason', case when zone.opens_at > greatest(p_contact.next_attempt_at, public.reading_time()) then 'Waits for calling hours'
      else p_contact.reason end,
    'reason_at', public.iso_utc(p_contact.reason_at),
    'call_id', p_contact.call_id,
    'attempts', p_contact.attempts,
    'max_attempts', p_contact.max_attempts,
    'outcome', p_contact.outcome,
    'outcome_notes', p_contact.outcome_notes,
    'duration_seconds', p_contact.duration_seconds,
    'next_attempt_at', public.iso_utc(greatest(p_contact.next_attempt_at, zone.opens_at)),
    'last_attempt_at', public.iso_utc(p_contact.last_attempt_at),
    'completed_at', public.iso_utc(p_contact.completed_at),
    'custom_data', p_contact.custom_data,
    'do_not_call', exists (
      select from public.do_not_call as listed
      where listed.agency_id = p_contact.agency_id and listed.phone_number = p_contact.phone_number
    ),
    'timezone', p_contact.timezone,
    'created_at', public.iso_utc(p_contact.created_at)
  )
  from (values (p_contact.batch_id, p_contact.time_zones)) as queue (batch_id, time_zones)
  left join public.call_batch_zones as zone
    on zone.batch_id = queue.batch_id and zone.time_zones = queue.time_zones and p_contact.status = 'queued';
$$;
