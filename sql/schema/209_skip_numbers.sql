-- pending, queued -> skipped: who waits at numbers that are on the do-not-call list from now on.
create function batchline.skip_numbers(p_agency_id uuid, p_phone_numbers text[], p_actor uuid, p_call_id uuid)
returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_note constant text := 'On the do-not-call list';
  v_ids uuid[];
  v_skipped int;
begin
  v_ids := array(
    select waiting.id
    from unnest(p_phone_numbers) as listed (phone_number)
    cross join lateral (
      select contact.id from public.campaign_contacts as contact
      where contact.agency_id = p_agency_id and contact.phone_number = listed.phone_number
        and contact.status in ('pending', 'queued')
      offset 0
    ) as waiting
  );
  with skipped as (
    update public.campaign_contacts as contact
    set status = 'skipped',
        next_attempt_at = null,
        completed_at = v_now,
        outcome_notes = v_note,
        reason = v_note,
        reason_at = v_now
    where contact.id = any (v_ids) and contact.status in ('pending', 'queued')
    returning contact.id, contact.batch_id
  )
  insert into public.call_events (agency_id, batch_id, contact_id, event, reason, detail, actor, at)
  select p_agency_id, batch_id, id, 'skipped', v_note,
         jsonb_strip_nulls(jsonb_build_object('rule', 'do_not_call', 'asked_in_call', p_call_id)), p_actor, v_now
  from skipped;
  get diagnostics v_skipped = row_count;
  return v_skipped;
end;
$$;
