-- Forgets the person behind a number, everywhere in the agency, in one transaction; what changed, and the objects that
-- the caller is to deal with. Repeated, it takes what has come since. See docs/why.md, "Forgetting a person".
create function batchline.erase_person(p_user_id uuid, p_phone_number text)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_owner(p_user_id);
  v_agency_id uuid := v_user.agency_id;
  v_hash text;
  v_batch_ids uuid[];
  v_contact_ids uuid[];
  v_call_ids uuid[];
  v_changed jsonb;
begin
  perform batchline.await_agency(v_agency_id);
  insert into public.erasure_salts (agency_id) values (v_agency_id) on conflict (agency_id) do nothing;
  v_hash := batchline.erased_number(v_agency_id, p_phone_number);

  select array_agg(distinct contact.batch_id), array_agg(contact.id)
  into v_batch_ids, v_contact_ids
  from public.call_batches as batch
  join public.campaign_contacts as contact
    on contact.batch_id = batch.id and contact.phone_number in (p_phone_number, v_hash)
  where batch.agency_id = v_agency_id;
  v_batch_ids := v_batch_ids || batchline.lists_naming(v_agency_id, p_phone_number);
  perform batchline.lock_batches(v_batch_ids);
  perform batchline.release_or_refuse(v_agency_id, p_phone_number);
  v_call_ids := batchline.calls_of_person(v_agency_id, v_contact_ids, p_phone_number);

  v_changed := jsonb_build_object(
    'contacts', batchline.erase_contacts(v_contact_ids, p_phone_number, v_hash),
    'calls', batchline.erase_calls(v_call_ids, p_phone_number, v_hash),
    'events', batchline.erase_events(v_agency_id, v_contact_ids, v_call_ids, v_batch_ids, p_phone_number),
    'do_not_call', batchline.erase_do_not_call(v_agency_id, p_phone_number, v_hash),
    'notes', batchline.erase_notes(v_agency_id, v_batch_ids, p_phone_number)
  );
  perform batchline.complete_batches(v_batch_ids);
  insert into public.erasures (agency_id, number_hash, created_by, changed)
  values (v_agency_id, v_hash, v_user.id, v_changed);
  return jsonb_build_object(
    'agency_id', v_agency_id,
    'number_hash', v_hash,
    'changed', v_changed,
    'tasks_objects', (
      select coalesce(jsonb_agg(tasks_object order by id), '[]')
      from public.call_batches
      where id = any (v_batch_ids) and tasks_object is not null and deleted_at is null
    )
  ) || batchline.list_objects(v_agency_id);
end;
$$;
