-- A claim judges all the numbers that it looks at in one statement, each once, and reads the queues by their index on
-- tables without statistics too.
drop function batchline.number_hold(public.agencies, text, uuid, timestamptz, uuid);
drop function batchline.dial_candidates(uuid, timestamptz, int, int);

-- What forbids a call to each of these numbers now, and until when; rule is null where it may be called. Calls of the
-- last 24 hours count from their beginning, whoever placed them: past calls that were imported too, but none that was
-- certainly not placed. One that is only claimed begins now. Of do_not_call and live_call the end is not known: until
-- is null. created_at leads the index to what is recent; it is older than the beginning by a lease at most.
-- Each number is looked up by itself, and its calls in the index's order and without a sort: joined, or by another
-- index, a planner without statistics would read all calls of the agency. One plan is kept, since a begin asks call by
-- call; so steered, it is right however long the tables become.
create or replace function batchline.number_holds(
  p_agency_id uuid, p_numbers text[], p_batch_ids uuid[], p_now timestamptz, p_call_id uuid default null
)
returns table (turn bigint, rule text, until timestamptz)
language plpgsql stable rows 50
set search_path = '' set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off set jit = off
as $$
begin
  return query
    select asked.turn,
           case
             when forbidden.n > 0 then 'do_not_call'
             when known.capped_until > greatest(p_now, known.spaced_until) then 'max_daily_calls_per_number'
             when known.spaced_until > p_now then 'minutes_between_batches'
             when (
               select count(*)
               from public.calls as call
               where call.agency_id = p_agency_id and call.to_number = asked.phone_number and call.is_live
                 and call.id is distinct from p_call_id
             ) > 0 then 'live_call'
           end,
           case
             when forbidden.n = 0 and greatest(known.capped_until, known.spaced_until) > p_now
               then greatest(known.capped_until, known.spaced_until)
           end
    from public.agencies as agency
    cross join unnest(p_numbers, p_batch_ids) with ordinality as asked (phone_number, batch_id, turn)
    cross join lateral (
      select count(*) as n
      from public.do_not_call as one
      where one.agency_id = p_agency_id and one.phone_number = asked.phone_number
    ) as forbidden
    cross join lateral (
      select (array_agg(recent.at order by recent.at desc))[agency.max_daily_calls_per_number]
               + interval '24 hours' as capped_until,
             max(recent.at) filter (where recent.batch_id is distinct from asked.batch_id and not recent.claimed)
               + make_interval(mins => agency.minutes_between_batches) as spaced_until
      from (
        select call.batch_id, call.status = 'claimed' as claimed,
               coalesce(call.began_at, case when call.contact_id is null then call.accepted_at else p_now end) as at
        from public.calls as call
        where call.agency_id = p_agency_id and call.to_number = asked.phone_number
          and call.created_at > p_now - interval '25 hours'
          and call.status <> 'not_placed' and call.id is distinct from p_call_id
        order by call.created_at
      ) as recent
    ) as known
    where agency.id = p_agency_id;
end;
$$;

-- When hours and rules let the first of each queue be dialled, and whether it is they that it waits for.
-- Without a sort: a planner without statistics would else take another index, and read the whole batch for each queue.
create or replace function batchline.queue_openings(p_agency_id uuid, p_now timestamptz)
returns table (batch_id uuid, opens_at timestamptz, held boolean)
language sql stable rows 50 set search_path = '' set enable_sort = off set enable_bitmapscan = off set jit = off
as $$
  select queue.batch_id, greatest(queue.opens_at, first.next_attempt_at),
         queue.opens_at > greatest(p_now, first.next_attempt_at)
           or first.reason in (
             batchline.hold_reason('max_daily_calls_per_number'), batchline.hold_reason('minutes_between_batches')
           )
  from batchline.batch_queues(p_agency_id) as queue
  cross join lateral (
    select queued.next_attempt_at, queued.reason
    from public.campaign_contacts as queued
    where queued.batch_id = queue.batch_id and queued.time_zones = queue.time_zones and queued.status = 'queued'
    order by queued.next_attempt_at, queued.position
    limit 1
  ) as first;
$$;

-- Decides which contacts of one agency are dialled now, under the agency's lock; p_now was read after taking it.
-- Fair among batches: places go one at a time to the batch that has begun the fewest in the last minute.
-- Where who may not be called leaves places, more are looked at in their stead, so many at a claim; then they are set
-- aside.
create or replace function batchline.claim_agency_calls(
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

-- Who may be dialled now, in the order in which the agency's batches take turns, and who at the head of an open queue
-- may not, with the rule. Of each batch as many are looked at as may begin now, and p_more: what a claim costs does not
-- depend on who else waits. This claim knows already that p_free may be dialled and p_held may not. `short`: more of
-- the batch might begin if more were looked at.
-- The queues are read without a sort: a planner without statistics would else take another index, and read them whole.
create or replace function batchline.dial_candidates(
  p_agency_id uuid, p_now timestamptz, p_limit int, p_more int, p_free uuid[], p_held uuid[]
)
returns table (contact_id uuid, batch_id uuid, turn bigint, rule text, until timestamptz, short boolean)
language sql stable
set search_path = '' set plan_cache_mode = force_custom_plan
set enable_sort = off set enable_bitmapscan = off set jit = off
as $$
  with room as materialized (
    select room.*, greatest(0, least(room.room, p_limit)) as places,
           case when room.room > 0 then least(room.room, p_limit) + p_more else 0 end as looks
    from batchline.dial_room(p_agency_id, p_now) as room
  ),
  queue as materialized (
    select * from batchline.batch_queues(p_agency_id) as queue where queue.opens_at <= p_now and queue.closes_at > p_now
  ),
  looked as materialized (
    select first.id, first.phone_number, room.batch_id, room.begun, room.places, room.looks,
           first.next_attempt_at, first.position, first.id = any (p_free) as is_free
    from room
    cross join lateral (
      select queued.*
      from queue
      cross join lateral (
        select contact.id, contact.phone_number, contact.next_attempt_at, contact.position
        from public.campaign_contacts as contact
        where contact.batch_id = queue.batch_id and contact.time_zones = queue.time_zones
          and contact.status = 'queued' and contact.next_attempt_at <= p_now and contact.id <> all (p_held)
        order by contact.next_attempt_at, contact.position
        limit room.looks
      ) as queued
      where queue.batch_id = room.batch_id
      order by queued.next_attempt_at, queued.position
      limit room.looks
    ) as first
    where room.batch_id is not null
  ),
  asked as (
    select array_agg(looked.id) as ids, array_agg(looked.phone_number) as numbers,
           array_agg(looked.batch_id) as batch_ids
    from looked where not looked.is_free
  ),
  held as (
    select asked.ids[hold.turn] as id, hold.rule, hold.until
    from asked
    cross join lateral batchline.number_holds(p_agency_id, asked.numbers, asked.batch_ids, p_now) as hold
    where hold.rule is not null
  ),
  judged as (
    select looked.*, held.rule, held.until,
           count(*) over batch = looked.looks
             and count(*) filter (where held.rule is null) over batch < looked.places as short,
           row_number() over (
             partition by looked.batch_id, held.rule is null order by looked.next_attempt_at, looked.position
           ) as place
    from looked
    left join held using (id)
    window batch as (partition by looked.batch_id)
  ),
  -- two batches may hold the same number: only one of them calls it now
  one_per_number as (
    select distinct on (judged.phone_number) judged.id, judged.batch_id, judged.begun + judged.place as turn
    from judged
    where judged.rule is null and judged.place <= judged.places
    order by judged.phone_number, judged.begun + judged.place, judged.batch_id
  )
  (
    select free.id, free.batch_id, free.turn, null, null::timestamptz, false
    from one_per_number as free
    order by free.turn, free.batch_id
    limit (select room.places from room where room.batch_id is null)
  )
  union all
  select judged.id, judged.batch_id, null, judged.rule, judged.until, judged.short
  from judged where judged.rule is not null;
$$;

-- Moves contacts that a rule about their number forbids to dial out of the way of those behind them: to the time from
-- which they may be, or to skipped where they never may. The reason is told once, not at every turn.
create or replace function batchline.set_aside(p_agency_id uuid, p_held jsonb, p_now timestamptz)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if p_held = '[]' then
    return;
  end if;
  -- Contacts come after their batches: a webhook may hold a batch and wait for one of these.
  perform batchline.lock_batches(array(select distinct (held ->> 'batch_id')::uuid from jsonb_array_elements(p_held) as held));
  -- By their ids alone: asked for their status too, a planner without statistics reads the whole queue instead.
  with held as materialized (
    select contact.id, contact.batch_id, contact.status, contact.reason as reason_before,
           batchline.hold_reason(one.rule) as reason, one.rule, one.until
    from jsonb_to_recordset(p_held) as one (contact_id uuid, rule text, until timestamptz)
    join public.campaign_contacts as contact on contact.id = one.contact_id
  ),
  moved as (
    update public.campaign_contacts as contact
    set status = case when held.until is null then 'skipped' else 'queued' end,
        next_attempt_at = held.until,
        completed_at = case when held.until is null then p_now end,
        outcome_notes = case when held.until is null then held.reason else contact.outcome_notes end,
        reason_at = case when held.reason is distinct from held.reason_before then p_now else contact.reason_at end,
        reason = held.reason
    from held
    where contact.id = held.id and held.status = 'queued'
    returning contact.id
  )
  insert into public.call_events (agency_id, batch_id, contact_id, event, reason, detail)
  select p_agency_id, held.batch_id, held.id, case when held.until is null then 'skipped' else 'deferred' end, held.reason,
         jsonb_strip_nulls(jsonb_build_object('rule', held.rule, 'until', public.iso_utc(held.until)))
  from held
  join moved using (id)
  where held.reason is distinct from held.reason_before;
  perform batchline.complete_batches(  -- the last one may have been skipped
    array(select distinct (held ->> 'batch_id')::uuid from jsonb_array_elements(p_held) as held)
  );
end;
$$;

-- Null where the call may begin. The claim has looked a moment ago which hours are open: its notes serve here.
create or replace function batchline.why_not_begun(p_call public.calls, p_now timestamptz)
returns text
language sql stable set search_path = ''
as $$
  select case
    when p_call.claimed_until <= p_now then 'the lease was over'
    when batch.status <> 'processing' then 'the batch is ' || batch.status
    when batch.ends_at <= p_now then 'the batch has ended'
    when batchline.what_is_inactive(batch) is not null then 'the agent or the number of the batch is not active'
    when hold.rule = 'do_not_call' then 'the number is on the do-not-call list'
    when hold.rule is not null then 'the number was called too often or too lately'
    when batch.calling_hours is not null and (
      select count(*)
      from public.call_batch_zones as zone
      where zone.batch_id = batch.id and zone.time_zones = contact.time_zones
        and zone.opens_at <= p_now and zone.closes_at > p_now
    ) = 0 then 'calling hours are over'
  end
  from public.call_batches as batch
  join public.campaign_contacts as contact on contact.id = p_call.contact_id
  cross join lateral batchline.number_holds(
    batch.agency_id, array[p_call.to_number], array[batch.id], p_now, p_call.id
  ) as hold
  where batch.id = p_call.batch_id;
$$;

revoke all on function
  batchline.dial_candidates(uuid, timestamptz, int, int, uuid[], uuid[]),
  batchline.number_holds(uuid, text[], uuid[], timestamptz, uuid)
from public, anon, authenticated;
grant execute on function
  batchline.dial_candidates(uuid, timestamptz, int, int, uuid[], uuid[]),
  batchline.number_holds(uuid, text[], uuid[], timestamptz, uuid)
to service_role;
