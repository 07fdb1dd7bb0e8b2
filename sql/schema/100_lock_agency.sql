-- The first lock of all. What it guards (slots, pace, "only one at a time") is counted from rows, so the count must
-- be a statement of its own, after the lock: a lock taken inside the counting statement has a snapshot older than
-- itself, and two workers then count the same slots.
create function batchline.lock_agency(p_agency_id uuid)
returns void
language sql volatile set search_path = ''
as $$
  select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('batchline.agency:' || p_agency_id, 0));
$$;
