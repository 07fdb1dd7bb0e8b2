-- Notes at which of these numbers people still wait, for skip_forbidden; how many people.
create function batchline.leave_to_skip(p_agency_id uuid, p_phone_numbers text[])
returns bigint
language plpgsql volatile set search_path = ''
as $$
declare
  v_numbers text[];
  v_people bigint;
begin
  select array_agg(waiting.phone_number), coalesce(sum(waiting.n), 0)
  into v_numbers, v_people
  from (
    select forbidden.phone_number, batchline.count_waiting_at(p_agency_id, forbidden.phone_number) as n
    from unnest(p_phone_numbers) as forbidden (phone_number)
    offset 0
  ) as waiting
  where waiting.n > 0;
  update public.do_not_call
  set skipping = true
  where agency_id = p_agency_id and phone_number = any (v_numbers) and not skipping;
  return v_people;
end;
$$;
