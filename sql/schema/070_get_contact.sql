-- One contact and its whole trail, as its agency may read it: its calls, and every decision about it and its batch with
-- time, rule and who, in the order in which they were written.
create function public.get_contact(p_contact_id uuid)
returns jsonb
language plpgsql stable
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set jit = off set plan_cache_mode = force_custom_plan
as $$
declare
  v_agency_id uuid := public.my_agency_id();
  v_contact public.campaign_contacts;
begin
  select * into v_contact from public.campaign_contacts where id = p_contact_id and agency_id = v_agency_id;
  if not found then
    raise exception using
      errcode = 'PT404',
      message = 'Contact not found or does not belong to the user''s agency',
      detail = '{"code": "contact_not_found"}';
  end if;
  return jsonb_build_object(
    'now', public.iso_utc(public.reading_time()),
    'contact', public.contact_json(v_contact) || jsonb_build_object(
      'batch_id', v_contact.batch_id, 'hours', public.contact_hours(v_contact)
    ),
    'batch', (
      select jsonb_build_object(
        'id', batch.id, 'name', batch.name, 'status', batch.status, 'error_message', batch.error_message,
        'scheduled_for', public.iso_utc(batch.scheduled_for), 'waiting_until', public.iso_utc(batch.waiting_until)
      )
      from public.call_batches as batch
      where batch.id = v_contact.batch_id
    ),
    'calls', (
      select coalesce(
        jsonb_agg(
          jsonb_build_object(
            'id', call.id, 'attempt', call.attempt, 'status', call.status, 'outcome', call.outcome,
            'reason', call.reason, 'ultravox_call_id', call.ultravox_call_id,
            'duration_seconds', call.duration_seconds, 'summary', call.summary,
            'began_at', public.iso_utc(call.began_at), 'accepted_at', public.iso_utc(call.accepted_at),
            'joined_at', public.iso_utc(call.joined_at), 'ended_at', public.iso_utc(call.ended_at)
          )
          order by call.created_at, call.id
        ),
        '[]'
      )
      from public.calls as call
      where call.contact_id = v_contact.id
    ),
    'events', (
      select coalesce(
        jsonb_agg(
          jsonb_build_object(
            'at', public.iso_utc(entry.at), 'event', entry.event, 'reason', entry.reason,
            'detail', coalesce(entry.detail, '{}'), 'of_contact', entry.contact_id is not null,
            'call_id', entry.call_id, 'actor', entry.actor
          )
          order by entry.id
        ),
        '[]'
      )
      from (
        select id, at, event, reason, detail, contact_id, call_id, actor
        from public.call_events where contact_id = v_contact.id
        union all
        select id, at, event, reason, detail, contact_id, call_id, actor
        from public.call_events where batch_id = v_contact.batch_id and contact_id is null and batch_id is not null
      ) as entry
    )
  );
end;
$$;
