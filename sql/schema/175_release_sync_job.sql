-- A run leaves a job that is not done: out of time, or because the provider asks for a pause. The next run goes on.
create function batchline.release_sync_job(
  p_job_id uuid, p_worker text, p_reason text, p_retry_after_seconds double precision
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_job public.historical_sync_jobs;
begin
  update public.historical_sync_jobs
  set claimed_by = null,
      claimed_until = null,
      resume_after = case
        when p_retry_after_seconds is not null then v_now + make_interval(secs => least(p_retry_after_seconds, 900))
      end,
      error_message = coalesce(p_reason, error_message),
      last_error_at = case when p_reason is null then last_error_at else v_now end
  where id = p_job_id and status = 'in_progress' and claimed_by = p_worker;
  select * into v_job from public.historical_sync_jobs where id = p_job_id;
  return batchline.sync_progress(v_job, p_worker);
end;
$$;
