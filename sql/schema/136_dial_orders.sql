-- All that a worker needs to dial.
create function batchline.dial_orders(p_call_ids uuid[])
returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'call_id', call.id,
        'agency_id', call.agency_id,
        'batch_id', call.batch_id,
        'contact_id', call.contact_id,
        'to_number', call.to_number,
        'from_number', call.from_number,
        'provider', number.provider,
        'sip_domain', number.sip_domain,
        'ultravox_agent_id', agent.ultravox_agent_id,
        'max_duration_seconds', call.max_duration_seconds,
        'recording_enabled', agent.recording_enabled,
        'contact', jsonb_build_object(
          'first_name', contact.first_name,
          'last_name', contact.last_name,
          'email', contact.email,
          'company', contact.company,
          'title', contact.title,
          'phone_number', contact.phone_number
        ),
        'custom_data', contact.custom_data
      )
      order by asked.turn
    ),
    '[]'
  )
  from unnest(p_call_ids) with ordinality as asked (call_id, turn)
  join public.calls as call on call.id = asked.call_id
  join public.campaign_contacts as contact on contact.id = call.contact_id
  join public.agent_mappings as agent on agent.id = call.agent_mapping_id
  join public.agency_phone_numbers as number
    on number.agency_id = call.agency_id and number.phone_number = call.from_number;
$$;
