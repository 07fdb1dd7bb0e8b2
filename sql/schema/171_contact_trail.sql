-- One contact and its whole trail: where it stands, its calls, and every decision about it and its batch in the order
-- in which they were written. Null where there is no such contact (of that agency, where one is named).
-- Planned anew each time, as vitals is.
create function batchline.contact_trail(p_contact_id uuid, p_agency_id uuid default null)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set jit = off
set plan_cache_mode = force_custom_plan
as $$
declare
  v_contact public.campaign_contacts;
begin
  select * into v_contact
  from public.campaign_contacts
  where id = p_contact_id and (p_agency_id is null or agency_id = p_agency_id);
  if not found then
    return null;
  end if;
  return jsonb_build_object(
    'now', public.iso_utc(batchline.clock()),
    'contact', public.contact_json(v_contact) || jsonb_build_object(
      'agency_id', v_contact.agency_id, 'batch_id', v_contact.batch_id, 'hours', public.contact_hours(v_contact)
    ),
    'batch', (
      select jsonb_build_object(
        'id', batch.id, 'name', batch.name, 'status', batch.status, 'error_message', batch.error_message,
        'scheduled_for', public.iso_utc(batch.scheduled_for), 'waiting_until', public.iso_utc(batch.waiting_until),
        'agency_name', agency.name, 'dial_after', public.iso_utc(agency.dial_after)
      )
      from public.call_batches as batch
      join public.agencies as agency on agency.id = batch.agency_id
      where batch.id = v_contact.batch_id
    ),
    'calls', (
      select coalesce(jsonb_agg(batchline.call_json(call) order by call.claimed_at, call.id), '[]')
      from public.calls as call
      where call.contact_id = v_contact.id
    ),
    'events', (
      select coalesce(jsonb_agg(batchline.event_json(found.entry) order by (found.entry).id), '[]')
      from (
        select entry from public.call_events as entry where contact_id = v_contact.id
        union all
        select entry from public.call_events as entry where batch_id = v_contact.batch_id and contact_id is null
      ) as found
    )
  );
end;
$$;
