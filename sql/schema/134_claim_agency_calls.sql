-- Decides which contacts of one agency are dialled now, under the agency's lock; p_now was read after taking it.
-- Fair among batches: places go one at a time to the batch that has begun the fewest in the last minute.
create function batchline.claim_agency_calls(
  p_agency_id uuid, p_worker text, p_limit int, p_lease interval, p_now timestamptz
)
returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_calls uuid[];
begin
  with room as materialized (
    select * from batchline.dial_room(p_agency_id, p_now)
  ),
  candidate as (
    select contact.id, contact.phone_number, room.batch_id,
           room.begun + row_number() over (
             partition by room.batch_id order by contact.next_attempt_at, contact.position
           ) as turn
    from room
    cross join lateral (
      select queued.id, queued.phone_number, queued.next_attempt_at, queued.position
      from public.campaign_contacts as queued
      where queued.batch_id = room.batch_id
        and queued.status = 'queued'
        and queued.next_attempt_at <= p_now
        and (
          select count(*) from public.calls as call
          where call.agency_id = p_agency_id and call.to_number = queued.phone_number and call.is_live
        ) = 0
      order by queued.next_attempt_at, queued.position
      limit greatest(0, least(room.room, p_limit))
    ) as contact
    where room.batch_id is not null
  ),
  -- two batches may hold the same number: only one of them calls it now
  one_per_number as (
    select distinct on (phone_number) * from candidate order by phone_number, turn, batch_id
  ),
  picked as (
    select * from one_per_number
    order by turn, batch_id
    limit greatest(0, least(p_limit, (select room.room from room where room.batch_id is null)))
  ),
  claimed as (
    insert into public.calls (
      status, agency_id, batch_id, contact_id, agent_mapping_id, to_number, from_number, attempt,
      max_duration_seconds, claimed_by, claimed_at, claimed_until
    )
    select 'claimed', p_agency_id, batch.id, contact.id, batch.agent_mapping_id, contact.phone_number,
           batch.from_number, contact.attempts + 1, agent.max_duration_seconds, p_worker, p_now, p_now + p_lease
    from picked
    join public.campaign_contacts as contact on contact.id = picked.id
    join public.call_batches as batch on batch.id = picked.batch_id
    join public.agent_mappings as agent on agent.id = batch.agent_mapping_id
    order by picked.turn, picked.batch_id
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
