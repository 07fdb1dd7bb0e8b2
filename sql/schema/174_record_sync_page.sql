-- One page: its calls, the counters, the place of the next page and the lease, all or nothing. Fenced by worker and
-- cursor: a worker whose lease is over changes nothing, nor does the same page again.
-- p_page: {"cursor", "calls", "next_cursor", "total", "oldest", "newest"}, the last three as the provider says.
create function batchline.record_sync_page(p_job_id uuid, p_worker text, p_page jsonb, p_lease_seconds double precision)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_job public.historical_sync_jobs;
  v_counts record;
begin
  select * into v_job from public.historical_sync_jobs where id = p_job_id for no key update;
  if v_job.claimed_by = p_worker and v_job.claimed_until > batchline.clock()
    and v_job.cursor is not distinct from p_page ->> 'cursor'
  then
    select * into v_counts from jsonb_to_record(batchline.import_page(v_job, p_page -> 'calls'))
      as counted (processed int, imported int, updated int, failed int);
    update public.historical_sync_jobs as job
    set total_calls = coalesce((p_page ->> 'total')::int, job.total_calls),
        processed_calls = job.processed_calls + v_counts.processed,
        imported_calls = job.imported_calls + v_counts.imported,
        updated_calls = job.updated_calls + v_counts.updated,
        skipped_calls = job.skipped_calls
          + v_counts.processed - v_counts.imported - v_counts.updated - v_counts.failed,
        failed_calls = job.failed_calls + v_counts.failed,
        oldest_call_at = least(job.oldest_call_at, (p_page ->> 'oldest')::timestamptz),
        newest_call_at = greatest(job.newest_call_at, (p_page ->> 'newest')::timestamptz),
        cursor = p_page ->> 'next_cursor',
        attempts = 0,
        error_message = null,
        claimed_until = batchline.clock() + make_interval(secs => p_lease_seconds),
        last_activity_at = batchline.clock()
    where job.id = p_job_id
    returning * into v_job;
    if v_job.cursor is null then
      v_job := batchline.finish_sync_job(p_job_id);
    end if;
  end if;
  return batchline.sync_progress(v_job, p_worker);
end;
$$;
