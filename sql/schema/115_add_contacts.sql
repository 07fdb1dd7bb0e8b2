-- Stores a list, in its order. Numbers on the do-not-call list are kept as skipped, so that the report is whole.
create function batchline.add_contacts(p_batch public.call_batches, p_contacts jsonb, p_status text)
returns void
language sql volatile set search_path = ''
as $$
  with added as (
    insert into public.campaign_contacts (
      status, agency_id, batch_id, position, phone_number, first_name, last_name, email, company, title, timezone,
      custom_data, max_attempts, next_attempt_at, completed_at, reason, reason_at, outcome_notes
    )
    select
      case when listed.phone_number is null then p_status else 'skipped' end,
      p_batch.agency_id, p_batch.id, p_batch.total_contacts + listing.ordinality - 1,
      listing.contact ->> 'phone_number', listing.contact ->> 'first_name', listing.contact ->> 'last_name',
      listing.contact ->> 'email', listing.contact ->> 'company', listing.contact ->> 'title',
      listing.contact ->> 'timezone', coalesce(nullif(listing.contact -> 'custom_data', 'null'), '{}'),
      coalesce((listing.contact ->> 'max_attempts')::int, (p_batch.retry ->> 'max_attempts')::int),
      case when listed.phone_number is null and p_status = 'queued' then batchline.clock() end,
      case when listed.phone_number is not null then batchline.clock() end,
      case when listed.phone_number is not null then 'On the do-not-call list' end,
      case when listed.phone_number is not null then batchline.clock() end,
      case when listed.phone_number is not null then 'On the do-not-call list' end
    from jsonb_array_elements(p_contacts) with ordinality as listing (contact, ordinality)
    left join lateral (
      select phone_number from public.do_not_call
      where agency_id = p_batch.agency_id
        and phone_number in (
          listing.contact ->> 'phone_number',
          batchline.erased_number(p_batch.agency_id, listing.contact ->> 'phone_number')
        )
      limit 1
    ) as listed on true
    returning id, status, reason
  )
  insert into public.call_events (agency_id, batch_id, contact_id, event, reason)
  select p_batch.agency_id, p_batch.id, added.id, 'skipped', added.reason from added where added.status = 'skipped';
$$;
