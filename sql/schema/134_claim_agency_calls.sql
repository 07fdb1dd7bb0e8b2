-- Decides which contacts of one agency are dialled now, under the agency's lock; p_now was read after taking it.
-- Fair among batches: places go one at a time to the batch that has begun the fewest in the last minute.
-- Where who may not be called leaves places, more are looked at in their stead, so many at a claim; then they are set
-- aside.
create function batchline.claim_agency_calls(
  p_agency_id uuid, p_worker text, p_limit int, p_lease interval, p_now timestamptz
)
returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_more int;
  v_free uuid[] := '{}';
  v_held jsonb := '[]';
  v_passed_over uuid[] := '{}';
  v_short boolean;
  v_calls uuid[];
begin
  foreach v_more in array array[0, 50, 100, 200] loop
    select coalesce(array_agg(one.contact_id order by one.turn, one.batch_id) filter (where one.rule is null), '{}'),
           v_held || coalesce(jsonb_agg(to_jsonb(one)) filter (where one.rule <> 'live_call'), '[]'),
           v_passed_over || coalesce(array_agg(one.contact_id) filter (where one.rule is not null), '{}'),
           coalesce(bool_or(one.short), false)
    into v_free, v_held, v_passed_over, v_short
    from batchline.dial_candidates(p_agency_id, p_now, p_limit, v_more, v_free, v_passed_over) as one;
    exit when not v_short;
  end loop;
  perform batchline.set_aside(p_agency_id, v_held, p_now);

  with claimed as (
    insert into public.calls (
      status, agency_id, batch_id, contact_id, agent_mapping_id, to_number, from_number, attempt,
      max_duration_seconds, claimed_by, claimed_at, claimed_until
    )
    select 'claimed', p_agency_id, batch.id, contact.id, batch.agent_mapping_id, contact.phone_number,
           batch.from_number, contact.attempts + 1, agent.max_duration_seconds, p_worker, p_now, p_now + p_lease
    from unnest(v_free) with ordinality as picked (id, turn)
    join public.campaign_contacts as contact on contact.id = picked.id
    join public.call_batches as batch on batch.id = contact.batch_id
    join public.agent_mappings as agent on agent.id = batch.agent_mapping_id
    order by picked.turn
    returning *
  ),
  logged as (
    insert into public.call_events (agency_id, batch_id, contact_id, call_id, event)
    select agency_id, batch_id, contact_id, id, 'claimed' from claimed
  )
  select coalesce(array_agg(id), '{}') into v_calls from claimed;

  -- The batch rows last, by id: webhooks start at them and must not wait for a whole claim.
  perform batchline.lock_batches(array(select distinct batch_id from public.calls where id = any (v_calls)));
  update public.campaign_contacts as contact
  set status = 'in_progress',
      attempts = contact.attempts + 1,
      call_id = call.id,
      next_attempt_at = null,
      last_attempt_at = p_now,
      reason = 'Calling',
      reason_at = p_now
  from public.calls as call
  where call.id = any (v_calls) and contact.id = call.contact_id;
  return v_calls;
end;
$$;
