-- Gives a person who can sign in (auth.users) a role in an agency, or changes it. Who belongs to another agency stays
-- there: nobody is moved by a slip. Without an agency the person may sign in and see nothing.
create function batchline.add_user(
  p_id uuid, p_agency_id uuid, p_role text, p_email text, p_full_name text default null
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users;
begin
  if p_agency_id is not null then
    perform batchline.require_agency(p_agency_id);
  end if;
  insert into public.users as known (id, agency_id, role, email, full_name)
  values (p_id, p_agency_id, p_role, p_email, p_full_name)
  on conflict (id) do update
  set agency_id = excluded.agency_id,
      role = excluded.role,
      email = excluded.email,
      full_name = coalesce(excluded.full_name, known.full_name)
  where known.agency_id is null or known.agency_id = excluded.agency_id
  returning * into v_user;
  if not found then
    perform batchline.refuse(409, 'user_of_another_agency', 'The user belongs to another agency');
  end if;
  return jsonb_build_object(
    'user_id', v_user.id, 'agency_id', v_user.agency_id, 'role', v_user.role, 'email', v_user.email,
    'full_name', v_user.full_name
  );
exception when foreign_key_violation then  -- auth.users is the Auth server's own, and not read here
  perform batchline.refuse(404, 'sign_in_not_found', 'Nobody can sign in with this id');
end;
$$;
