set local lock_timeout = '4s';
set local statement_timeout = '30s';

create index contact_imports_agency_due_idx
  on public.contact_imports (agency_id, coalesce(last_activity_at, created_at), id)
  where status in ('pending', 'in_progress') and size_bytes is not null;

drop function batchline.claim_contact_import(text, double precision);

-- The import that has waited longest of those whose file is there and that no worker has: pending, or in_progress
-- without a valid lease -> in_progress with a lease. Null where there is none.
-- Planned anew each time, so that an agency's run reads that agency's lists and no others.
create or replace function batchline.claim_contact_import(
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

-- For whom process-contact-imports is needed, one entry each: a list that a run holds needs no other.
create or replace function batchline.importing_agencies()
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

revoke all on function
  batchline.claim_contact_import(text, double precision, uuid),
  batchline.importing_agencies()
from public, anon, authenticated;
grant execute on function
  batchline.claim_contact_import(text, double precision, uuid),
  batchline.importing_agencies()
to service_role;
