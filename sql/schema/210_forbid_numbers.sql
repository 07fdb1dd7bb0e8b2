-- Puts numbers on an agency's do-not-call list and takes who waits at them out of all its batches; what is claimed is
-- released before. After the commit no call to them begins: begin_dial waits for the same lock, then reads the list.
-- The batches of live calls are locked too. Webhooks put contacts back under the batch's lock alone: so they either have
-- done it by now, or read the list. The numbers come without repeats. Planned anew each time, as dial_room is.
-- To skip a hundred thousand would take longer than a request may: those beyond v_at_once are left to skip_forbidden, and
-- counted as skipped here, since they are not called any more.
create function batchline.forbid_numbers(
  p_agency_id uuid, p_phone_numbers text[], p_reason text, p_actor uuid default null, p_call_id uuid default null
)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
set plan_cache_mode = force_custom_plan
as $$
declare
  v_now timestamptz;
  v_batches uuid[];
  v_call public.calls;
  v_added int;
  v_skipped bigint;
  v_at_once constant int := 2000;
begin
  perform batchline.lock_agency(p_agency_id);
  v_batches := batchline.batches_waiting_for(p_agency_id, p_phone_numbers);
  perform batchline.lock_batches(v_batches);
  v_now := batchline.clock();
  for v_call in
    select * from public.calls
    where status = 'claimed' and id = any (array(
      select live.id
      from unnest(p_phone_numbers) as forbidden (phone_number)
      cross join lateral (
        select call.id from public.calls as call
        where call.agency_id = p_agency_id and call.to_number = forbidden.phone_number and call.is_live
        offset 0
      ) as live
    ))
    order by id
    for update
  loop
    perform batchline.release_call(v_call, v_now, 'The number was put on the do-not-call list');
  end loop;

  insert into public.do_not_call (agency_id, phone_number, reason, added_by, call_id, created_at)
  select p_agency_id, forbidden.phone_number, p_reason, p_actor, p_call_id, v_now
  from unnest(p_phone_numbers) with ordinality as forbidden (phone_number, place)
  order by forbidden.place
  on conflict (agency_id, phone_number) do nothing;
  get diagnostics v_added = row_count;

  v_skipped := batchline.skip_numbers(p_agency_id, p_phone_numbers, v_at_once);
  if v_skipped = v_at_once then
    v_skipped := v_skipped + batchline.leave_to_skip(p_agency_id, p_phone_numbers);
  end if;
  perform batchline.complete_batches(v_batches);
  return jsonb_build_object(
    'added', v_added, 'already_listed', cardinality(p_phone_numbers) - v_added, 'contacts_skipped', v_skipped
  );
end;
$$;
