-- pending, queued -> skipped: so many of those who wait at numbers of the do-not-call list; how many. The trail names who
-- put the number there. The agency is locked.
create function batchline.skip_numbers(p_agency_id uuid, p_phone_numbers text[], p_limit int)
returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_note constant text := 'On the do-not-call list';
  v_ids uuid[];
  v_batches uuid[];
  v_skipped int;
begin
  select array_agg(found.id), array_agg(distinct found.batch_id)
  into v_ids, v_batches
  from (
    select waiting.*
    from unnest(p_phone_numbers) as listed (phone_number)
    cross join lateral (
      select contact.id, contact.batch_id from public.campaign_contacts as contact
      where contact.agency_id = p_agency_id and contact.phone_number = listed.phone_number
        and contact.status in ('pending', 'queued')
      offset 0
    ) as waiting
    limit p_limit
  ) as found;
  perform batchline.lock_batches(v_batches);
  with skipped as (
    update public.campaign_contacts as contact
    set status = 'skipped',
        next_attempt_at = null,
        completed_at = v_now,
        outcome_notes = v_note,
        reason = v_note,
        reason_at = v_now
    where contact.id = any (v_ids) and contact.status in ('pending', 'queued')
    returning contact.id, contact.batch_id, contact.phone_number
  )
  insert into public.call_events (agency_id, batch_id, contact_id, event, reason, detail, actor, at)
  select p_agency_id, skipped.batch_id, skipped.id, 'skipped', v_note,
         jsonb_strip_nulls(jsonb_build_object('rule', 'do_not_call', 'asked_in_call', listed.call_id)), listed.added_by, v_now
  from skipped
  join public.do_not_call as listed on listed.agency_id = p_agency_id and listed.phone_number = skipped.phone_number;
  get diagnostics v_skipped = row_count;
  perform batchline.complete_batches(v_batches);
  return v_skipped;
end;
$$;
