-- How a job stands, for the worker that asks: "mine" tells whether its lease still holds.
create function batchline.sync_progress(p_job public.historical_sync_jobs, p_worker text)
returns jsonb
language sql volatile set search_path = ''
as $$
  select jsonb_build_object(
    'job_id', p_job.id,
    'status', p_job.status,
    'mine', coalesce(p_job.claimed_by = p_worker and p_job.claimed_until > batchline.clock(), false),
    'cursor', p_job.cursor,
    'total', p_job.total_calls,
    'processed', p_job.processed_calls,
    'imported', p_job.imported_calls,
    'updated', p_job.updated_calls,
    'skipped', p_job.skipped_calls,
    'failed', p_job.failed_calls,
    'oldest_call', public.iso_utc(p_job.oldest_call_at),
    'newest_call', public.iso_utc(p_job.newest_call_at),
    'error', p_job.error_message
  );
$$;
