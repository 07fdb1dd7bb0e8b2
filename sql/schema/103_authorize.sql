-- For a request that is refused before it reaches its verb: 403 still comes before 400.
create function batchline.authorize(p_user_id uuid, p_writes boolean)
returns jsonb
language sql volatile set search_path = ''
as $$
  select jsonb_build_object('agency_id', caller.agency_id, 'role', caller.role)
  from batchline.require_user(p_user_id, p_writes) as caller;
$$;
