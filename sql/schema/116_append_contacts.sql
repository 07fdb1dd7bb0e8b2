-- More contacts for a batch whose row is locked, after those that it has. A number that the batch has already is left
-- out; "duplicates" are the places of those in the list, counted from 1. Pending before the start, queued after it.
create function batchline.append_contacts(p_batch public.call_batches, p_contacts jsonb)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
declare
  v_duplicates int[] := array(
    select listing.place
    from jsonb_array_elements(p_contacts) with ordinality as listing (contact, place)
    cross join lateral (  -- one look at the unique index for each: a join would read the whole batch
      select from public.campaign_contacts
      where batch_id = p_batch.id and phone_number = listing.contact ->> 'phone_number'
      limit 1
    ) as known
    order by listing.place
  );
  v_new jsonb := p_contacts;
  v_batch public.call_batches;
begin
  if v_duplicates <> '{}' then
    select coalesce(jsonb_agg(listing.contact order by listing.place), '[]') into v_new
    from jsonb_array_elements(p_contacts) with ordinality as listing (contact, place)
    where listing.place <> all (v_duplicates);
  end if;
  perform batchline.add_contacts(p_batch, v_new, case when p_batch.started_at is null then 'pending' else 'queued' end);
  select * into v_batch from public.call_batches where id = p_batch.id;
  return jsonb_build_object(
    'added', v_batch.total_contacts - p_batch.total_contacts,
    'skipped', v_batch.skipped - p_batch.skipped,
    'duplicates', to_jsonb(v_duplicates),
    'total_contacts', v_batch.total_contacts
  );
end;
$$;
