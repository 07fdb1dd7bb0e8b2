-- Stores a list, in its order. Who can never be called is kept as skipped, so that the report is whole: numbers on the
-- do-not-call list, those of no known time zone, and those in whose zones the hours never meet. A program's batch (it
-- has no campaign) has a time zone for the numbers that have none.
create function batchline.add_contacts(p_batch public.call_batches, p_contacts jsonb, p_status text)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_fallback text[] := case when p_batch.campaign_id is null then array[p_batch.timezone] end;
  v_sets jsonb := (
    select coalesce(jsonb_agg(distinct coalesce(contact -> 'time_zones', 'null')), '[]')
    from jsonb_array_elements(p_contacts) as list (contact)
  );
begin
  perform batchline.open_batch_zones(p_batch, v_sets);
  with zone_set as materialized (
    select zones, coalesce(
      batchline.contact_zones(p_batch.calling_hours, zones), case when p_status = 'queued' then v_fallback end
    ) as time_zones
    from jsonb_array_elements(v_sets) as given (zones)
  ),
  -- Most agencies have erased nobody, and to ask that of every number is dear.
  erasures as materialized (
    select exists (select from public.erasure_salts where agency_id = p_batch.agency_id) as exist
  ),
  listing as (
    select list.contact, p_batch.total_contacts + list.ordinality - 1 as position, zone_set.time_zones, case
        when listed.phone_number is not null then 'On the do-not-call list'
        when zone_set.time_zones is null and v_fallback is null then 'No time zone known; send `timezone`'
        when zone.opens_at = 'infinity' then batchline.never_open_note(zone.time_zones)
      end as reason
    from jsonb_array_elements(p_contacts) with ordinality as list (contact, ordinality)
    cross join erasures
    join zone_set on zone_set.zones = coalesce(list.contact -> 'time_zones', 'null')
    left join public.call_batch_zones as zone
      on zone.batch_id = p_batch.id and zone.time_zones = zone_set.time_zones
    left join lateral (
      select phone_number from public.do_not_call
      where agency_id = p_batch.agency_id
        and phone_number in (
          list.contact ->> 'phone_number',
          case when erasures.exist then batchline.erased_number(p_batch.agency_id, list.contact ->> 'phone_number') end
        )
      limit 1
    ) as listed on true
  ),
  added as (
    insert into public.campaign_contacts (
      status, agency_id, batch_id, position, phone_number, first_name, last_name, email, company, title, timezone,
      custom_data, max_attempts, next_attempt_at, completed_at, reason, reason_at, outcome_notes, time_zones, created_at
    )
    select
      case when reason is null then p_status else 'skipped' end, p_batch.agency_id, p_batch.id, position,
      contact ->> 'phone_number', contact ->> 'first_name', contact ->> 'last_name', contact ->> 'email',
      contact ->> 'company', contact ->> 'title', contact ->> 'timezone',
      coalesce(nullif(contact -> 'custom_data', 'null'), '{}'),
      coalesce((contact ->> 'max_attempts')::int, (p_batch.retry ->> 'max_attempts')::int),
      case when reason is null and p_status = 'queued' then v_now end,
      case when reason is not null then v_now end, reason, case when reason is not null then v_now end, reason,
      time_zones, v_now
    from listing
    returning id, status, reason
  )
  insert into public.call_events (agency_id, batch_id, contact_id, event, reason)
  select p_batch.agency_id, p_batch.id, added.id, 'skipped', added.reason from added where added.status = 'skipped';
end;
$$;
