-- Reads run as the caller; this is their one way of saying 403. It reads the caller's own row and no other.
create function public.my_agency_id()
returns uuid
language plpgsql stable set search_path = ''
as $$
declare
  v_agency_id uuid := (select agency_id from public.users where id = (select auth.uid()));
begin
  if v_agency_id is null then
    raise exception using
      errcode = 'PT403',
      message = 'User is not associated with an agency',
      detail = '{"code": "no_agency"}';
  end if;
  return v_agency_id;
end;
$$;
