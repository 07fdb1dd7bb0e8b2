create function batchline.try_lock_agency(p_agency_id uuid)
returns boolean
language sql volatile set search_path = ''
as $$
  select pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended('batchline.agency:' || p_agency_id, 0));
$$;
