-- As note_contacts, for contacts that are done with when they are stored: never to be dialled, and kept so that the list
-- is whole. One statement stores a list, so that this looks once, however many of it are skipped.
create function batchline.note_skipped_contacts()
returns trigger
language plpgsql set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
begin
  if not exists (select from public.notice_endpoints where active and 'contact.finished' = any (events)) then
    return null;
  end if;
  insert into public.notices (agency_id, batch_id, contact_id, event, data, next_attempt_at, created_at)
  select contact.agency_id, contact.batch_id, contact.id, 'contact.finished', batchline.contact_notice(contact), v_now, v_now
  from new_rows as contact
  join public.notice_endpoints as endpoint on endpoint.agency_id = contact.agency_id
  where endpoint.active and 'contact.finished' = any (endpoint.events) and contact.completed_at is not null
  order by contact.position;
  return null;
end;
$$;

create trigger contacts_noted_when_added
  after insert on public.campaign_contacts
  referencing new table as new_rows
  for each statement execute function batchline.note_skipped_contacts();
