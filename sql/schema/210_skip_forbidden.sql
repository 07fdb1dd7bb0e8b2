-- What forbid_numbers left to be done: a bounded part of those who wait at numbers on the do-not-call list; whether more
-- are left. Nobody at them is dialled meanwhile, since claim and begin read the list. The agency is locked.
create function batchline.skip_forbidden(p_agency_id uuid)
returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_numbers text[] := array(
    select phone_number from public.do_not_call where agency_id = p_agency_id and skipping order by id limit 1000
  );
begin
  if v_numbers = '{}' then
    return false;
  end if;
  perform batchline.skip_numbers(p_agency_id, v_numbers, 1000);
  update public.do_not_call
  set skipping = false
  where agency_id = p_agency_id and phone_number = any (v_numbers)
    and batchline.count_waiting_at(p_agency_id, phone_number) = 0;
  return exists (select from public.do_not_call where agency_id = p_agency_id and skipping);
end;
$$;
