-- For whom process-historical-sync is needed, one entry each: a job that a run holds needs no other.
create function batchline.syncing_agencies()
returns jsonb
language sql volatile set search_path = ''
as $$
  select coalesce(jsonb_agg(due.agency_id), '[]')
  from (
    select distinct job.agency_id
    from public.historical_sync_jobs as job, batchline.clock() as now
    where job.status in ('pending', 'in_progress')
      and (job.claimed_until is null or job.claimed_until <= now)
      and (job.resume_after is null or job.resume_after <= now)
  ) as due;
$$;
