-- For whom process-contact-imports is needed, one entry each: a list that a run holds needs no other.
create function batchline.importing_agencies()
returns jsonb
language sql volatile set search_path = '' set enable_seqscan = off set jit = off
as $$
  select coalesce(jsonb_agg(due.agency_id), '[]')
  from (
    select distinct list.agency_id
    from public.contact_imports as list, batchline.clock() as now
    where list.status in ('pending', 'in_progress')
      and list.size_bytes is not null
      and (list.claimed_until is null or list.claimed_until <= now)
      and (list.resume_after is null or list.resume_after <= now)
  ) as due;
$$;
