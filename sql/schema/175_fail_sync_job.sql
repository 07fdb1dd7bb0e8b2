-- A run has failed. The job goes on with the next one, unless that cannot help (p_is_final) or it was the tenth in a
-- row without a page.
create function batchline.fail_sync_job(p_job_id uuid, p_worker text, p_reason text, p_is_final boolean)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_job public.historical_sync_jobs;
begin
  update public.historical_sync_jobs
  set status = case when p_is_final or attempts + 1 >= 10 then 'failed' else 'in_progress' end,
      completed_at = case when p_is_final or attempts + 1 >= 10 then v_now end,
      attempts = attempts + 1,
      error_message = p_reason,
      last_error_at = v_now,
      claimed_by = null,
      claimed_until = null
  where id = p_job_id and status = 'in_progress' and claimed_by = p_worker;
  select * into v_job from public.historical_sync_jobs where id = p_job_id;
  return batchline.sync_progress(v_job, p_worker);
end;
$$;
