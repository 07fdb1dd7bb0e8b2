-- The second lock. "no key update", because "update" would wait for the foreign-key locks of every insert into calls.
create function batchline.lock_batches(p_batch_ids uuid[])
returns void
language sql volatile set search_path = ''
as $$
  select from public.call_batches where id = any (p_batch_ids) order by agency_id, id for no key update;
$$;
