-- Who may be dialled now, in the order in which the agency's batches take turns, and who at the head of an open queue
-- may not, with the rule. Of each batch as many are looked at as may begin now, and p_more: what a claim costs does not
-- depend on who else waits. This claim knows already that p_free may be dialled and p_held may not. `short`: more of
-- the batch might begin if more were looked at.
-- The queues are read without a sort: a planner without statistics would else take another index, and read them whole.
create function batchline.dial_candidates(
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
