-- As note_batch, for contacts that have become final. It is named so that it comes after contacts_moved: the batch's row
-- is locked by then, and of one batch the order of the notices is that of the changes.
create function batchline.note_contacts()
returns trigger
language plpgsql set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
begin
  -- The one look that agencies without an endpoint pay for.
  if not exists (select from public.notice_endpoints where active and 'contact.finished' = any (events)) then
    return null;
  end if;
  insert into public.notices (agency_id, batch_id, contact_id, event, data, next_attempt_at, created_at)
  select contact.agency_id, contact.batch_id, contact.id, 'contact.finished', batchline.contact_notice(contact),
         v_now, v_now
  from new_rows as contact
  join old_rows as before using (id)
  join public.notice_endpoints as endpoint on endpoint.agency_id = contact.agency_id
  where endpoint.active and 'contact.finished' = any (endpoint.events)
    and contact.completed_at is not null and before.completed_at is null
  order by contact.position;
  return null;
end;
$$;

create trigger contacts_noted
  after update on public.campaign_contacts
  referencing old table as old_rows new table as new_rows
  for each statement execute function batchline.note_contacts();
