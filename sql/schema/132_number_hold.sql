-- What forbids a call to a number now, and until when; nothing where it may be called. Calls of the last 24 hours count
-- from their beginning, whoever placed them: past calls that were imported too, but none that was certainly not placed.
-- One that is only claimed begins now. Of do_not_call and live_call the end is not known: until is null.
-- created_at leads the index to what is recent; it is older than the beginning by a lease at most.
create function batchline.number_hold(
  p_agency public.agencies, p_number text, p_batch_id uuid, p_now timestamptz, p_call_id uuid default null,
  out rule text, out until timestamptz
)
language plpgsql stable set search_path = ''
as $$
declare
  v_capped_until timestamptz;
  v_spaced_until timestamptz;
begin
  if (select count(*) from public.do_not_call where agency_id = p_agency.id and phone_number = p_number) > 0 then
    rule := 'do_not_call';
    return;
  end if;
  select (array_agg(recent.at order by recent.at desc))[p_agency.max_daily_calls_per_number] + interval '24 hours',
         max(recent.at) filter (where recent.batch_id is distinct from p_batch_id and not recent.claimed)
           + make_interval(mins => p_agency.minutes_between_batches)
  into v_capped_until, v_spaced_until
  from (
    select call.batch_id, call.status = 'claimed' as claimed,
           coalesce(call.began_at, case when call.contact_id is null then call.accepted_at else p_now end) as at
    from public.calls as call
    where call.agency_id = p_agency.id and call.to_number = p_number
      and call.created_at > p_now - interval '25 hours'
      and call.status <> 'not_placed' and call.id is distinct from p_call_id
  ) as recent;
  select held.rule, held.until into rule, until
  from (
    values ('max_daily_calls_per_number', v_capped_until),
           ('minutes_between_batches', v_spaced_until)
  ) as held (rule, until)
  where held.until > p_now
  order by held.until desc
  limit 1;
  if not found and (
    select count(*)
    from public.calls as call
    where call.agency_id = p_agency.id and call.to_number = p_number and call.is_live
      and call.id is distinct from p_call_id
  ) > 0 then
    rule := 'live_call';
  end if;
end;
$$;
