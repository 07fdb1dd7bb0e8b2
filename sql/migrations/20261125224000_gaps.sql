-- Contacts that are skipped when their list is taken in are told of.

-- As note_batch, for contacts that have become final. It is named so that it comes after contacts_moved: the batch's row
-- is locked by then, and of one batch the order of the notices is that of the changes.
create or replace function batchline.note_contacts()
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

-- What the notice of a contact that is done with says, as it is at that moment; who the person is, is read when it is sent.
create or replace function batchline.contact_notice(p_contact public.campaign_contacts)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'status', p_contact.status,
    'outcome', p_contact.outcome,
    'attempts', p_contact.attempts,
    'duration_seconds', p_contact.duration_seconds,
    'call_id', p_contact.call_id,
    'completed_at', public.iso_utc(p_contact.completed_at)
  );
$$;

-- As note_contacts, for contacts that are done with when they are stored: never to be dialled, and kept so that the list
-- is whole. One statement stores a list, so that this looks once, however many of it are skipped.
create or replace function batchline.note_skipped_contacts()
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

revoke all on function
  batchline.contact_notice(public.campaign_contacts),
  batchline.note_skipped_contacts()
from public, anon, authenticated;
grant execute on function
  batchline.contact_notice(public.campaign_contacts),
  batchline.note_skipped_contacts()
to service_role;
