create function batchline.note_sync_failure(p_job public.historical_sync_jobs, p_call jsonb, p_reason text)
returns void
language sql volatile set search_path = ''
as $$
  insert into public.historical_sync_failures (agency_id, job_id, ultravox_call_id, reason)
  values (p_job.agency_id, p_job.id, left(p_call ->> 'callId', 100), left(p_reason, 500));
$$;
