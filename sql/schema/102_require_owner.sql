-- As require_user, for what no admin may: it cannot be taken back.
create function batchline.require_owner(p_user_id uuid)
returns public.users
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
begin
  if v_user.role <> 'agency_owner' then
    perform batchline.refuse(403, 'forbidden', 'User role is not agency_owner');
  end if;
  return v_user;
end;
$$;
