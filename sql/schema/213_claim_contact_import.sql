-- The import that has waited longest of those whose file is there and that no worker has: pending, or in_progress
-- without a valid lease -> in_progress with a lease. Null where there is none. A lease that ran out is a worker that
-- stopped without a word: a failed run like others, and after ten in a row the next worker ends the import.
-- Planned anew each time, so that an agency's run reads that agency's lists and no others.
create function batchline.claim_contact_import(
  p_worker text, p_lease_seconds double precision, p_agency_id uuid default null
)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_sort = off set jit = off
set plan_cache_mode = force_custom_plan
as $$
declare
  v_now timestamptz := batchline.clock();
  v_import public.contact_imports;
begin
  update public.contact_imports as list
  set status = 'in_progress',
      claimed_by = p_worker,
      claimed_until = v_now + make_interval(secs => p_lease_seconds),
      attempts = list.attempts + (list.claimed_by is not null)::int,
      last_error_at = case when list.claimed_by is not null then v_now else list.last_error_at end,
      resume_after = null,
      started_at = coalesce(list.started_at, v_now),
      last_activity_at = v_now
  where list.id = (
    select id
    from public.contact_imports
    where status in ('pending', 'in_progress')
      and size_bytes is not null
      and (p_agency_id is null or agency_id = p_agency_id)
      and (claimed_until is null or claimed_until <= v_now)
      and (resume_after is null or resume_after <= v_now)
    order by coalesce(last_activity_at, created_at), id
    limit 1
    for no key update skip locked
  )
  returning * into v_import;
  return case when found then batchline.contact_import_progress(v_import, p_worker) end;
end;
$$;
