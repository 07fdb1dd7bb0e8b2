-- in_progress -> completed: the provider has no further page.
create function batchline.finish_sync_job(p_job_id uuid)
returns public.historical_sync_jobs
language plpgsql volatile set search_path = ''
as $$
declare
  v_job public.historical_sync_jobs;
begin
  update public.historical_sync_jobs
  set status = 'completed', completed_at = batchline.clock(), claimed_by = null, claimed_until = null
  where id = p_job_id and status = 'in_progress'
  returning * into v_job;
  return v_job;
end;
$$;
