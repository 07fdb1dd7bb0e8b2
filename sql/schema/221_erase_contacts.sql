-- The person on every list of the agency: what is known of them goes, what became of them stays; who still waited is
-- skipped. Where a list has the number's hash already (it was appended anew since), the row's id is hashed with it.
create function batchline.erase_contacts(p_contact_ids uuid[], p_phone_number text, p_hash text)
returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_changed int;
begin
  with open as (
    select id from public.campaign_contacts where id = any (p_contact_ids) and status in ('pending', 'queued')
  ), erased as (
    update public.campaign_contacts as contact
    set phone_number = case
          when exists (
            select from public.campaign_contacts as other
            where other.batch_id = contact.batch_id and other.phone_number = p_hash
          ) then batchline.erased_number(agency_id, p_phone_number || ' ' || id)
          else p_hash
        end,
        first_name = null, last_name = null, email = null, company = null, title = null, timezone = null,
        time_zones = '{}', custom_data = '{}',
        status = case when status in ('pending', 'queued') then 'skipped' else status end,
        next_attempt_at = null,
        completed_at = coalesce(completed_at, v_now),
        outcome_notes = case
          when status in ('pending', 'queued') then 'Erased' else batchline.without_number(outcome_notes, p_phone_number)
        end,
        reason = case
          when status in ('pending', 'queued') then 'Erased' else batchline.without_number(reason, p_phone_number)
        end,
        reason_at = case when status in ('pending', 'queued') then v_now else reason_at end
    where id = any (p_contact_ids) and phone_number not like 'erased:%'
    returning id, agency_id, batch_id
  ), logged as (
    insert into public.call_events (agency_id, batch_id, contact_id, event, reason, at)
    select agency_id, batch_id, id, 'skipped', 'Erased', v_now from erased join open using (id)
  )
  select count(*) into v_changed from erased;
  return v_changed;
end;
$$;
