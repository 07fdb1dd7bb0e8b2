-- pending, or in_progress without a valid lease -> in_progress with a lease; longest without progress first, so that
-- no agency starves. A job that is locked has a worker at this moment.
-- A lease that ran out is a worker that stopped without a word. The tenth failed run in a row without a page fails the
-- job, whatever became of each: it is answered too, as failed, so that somebody hears of it.
create function batchline.claim_sync_jobs(
  p_worker text, p_limit int, p_lease_seconds double precision, p_agency_id uuid default null
)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_now timestamptz := batchline.clock();
  v_jobs jsonb;
begin
  with due as (
    select id, claimed_by is not null as stopped, claimed_by is not null and attempts >= 9 as given_up
    from public.historical_sync_jobs
    where status in ('pending', 'in_progress')
      and (p_agency_id is null or agency_id = p_agency_id)
      and (claimed_until is null or claimed_until <= v_now)
      and (resume_after is null or resume_after <= v_now)
    order by coalesce(last_activity_at, created_at), id
    limit p_limit
    for no key update skip locked
  ), claimed as (
    update public.historical_sync_jobs as job
    set status = case when due.given_up then 'failed' else 'in_progress' end,
        claimed_by = case when not due.given_up then p_worker end,
        claimed_until = case when not due.given_up then v_now + make_interval(secs => p_lease_seconds) end,
        attempts = job.attempts + due.stopped::int,
        error_message = case
          when due.given_up then
            'The import stopped ten times in a row without getting any further. Start it again, with fewer days if it stops again'
          else job.error_message
        end,
        last_error_at = case when due.stopped then v_now else job.last_error_at end,
        completed_at = case when due.given_up then v_now end,
        resume_after = null,
        started_at = coalesce(job.started_at, v_now),
        last_activity_at = v_now
    from due
    where job.id = due.id
    returning job
  )
  select coalesce(jsonb_agg(batchline.sync_progress(job, p_worker) || jsonb_build_object(
    'agency_id', (job).agency_id,
    'date_from', public.iso_utc((job).date_from),
    'date_to', public.iso_utc((job).date_to)
  )), '[]')
  into v_jobs
  from claimed;
  return v_jobs;
end;
$$;
