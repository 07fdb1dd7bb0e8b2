-- Who asks: role and agency as they are now, in the transaction that acts on them. Counts for their limit, which comes
-- before the role: who may not write can be as persistent as anybody.
create function batchline.require_user(p_user_id uuid, p_writes boolean)
returns public.users
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users;
begin
  select * into v_user from public.users where id = p_user_id;
  if v_user.agency_id is null then
    perform batchline.refuse(403, 'no_agency', 'User is not associated with an agency');
  end if;
  perform batchline.count_request(v_user.agency_id, v_user.id);
  if p_writes and v_user.role not in ('agency_owner', 'agency_admin') then
    perform batchline.refuse(403, 'forbidden', 'User role is not agency_owner or agency_admin');
  end if;
  return v_user;
end;
$$;
