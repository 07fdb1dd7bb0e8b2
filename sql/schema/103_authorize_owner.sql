-- As authorize, where only the owner may.
create function batchline.authorize_owner(p_user_id uuid)
returns jsonb
language sql volatile set search_path = ''
as $$
  select jsonb_build_object('agency_id', caller.agency_id, 'role', caller.role)
  from batchline.require_owner(p_user_id) as caller;
$$;
