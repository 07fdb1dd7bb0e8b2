-- What forbids a call to each of these numbers now, and until when; rule is null where it may be called. Calls of the
-- last 24 hours count from their beginning, whoever placed them: past calls that were imported too, but none that was
-- certainly not placed. One that is only claimed begins now. Of do_not_call and live_call the end is not known: until
-- is null. created_at leads the index to what is recent; it is older than the beginning by a lease at most.
-- Each number is looked up by itself, and its calls in the index's order and without a sort: joined, or by another
-- index, a planner without statistics would read all calls of the agency. One plan is kept, since a begin asks call by
-- call; so steered, it is right however long the tables become.
create function batchline.number_holds(
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
