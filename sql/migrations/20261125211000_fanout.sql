set local lock_timeout = '4s';
set local statement_timeout = '30s';

drop function batchline.sweep_calls(int, double precision);
drop function batchline.claim_sync_jobs(text, int, double precision);

-- For whom calls-batch-process is needed, one entry each, where one run serves one agency.
create or replace function batchline.dialling_agencies()
returns jsonb
language sql volatile set search_path = ''
as $$
  select coalesce(jsonb_agg(active.id), '[]') from batchline.active_agencies(batchline.clock()) as active (id);
$$;

-- What a worker left behind when it died or froze: a claimed call was never begun, so its contact may be dialled again;
-- of a dialing one nobody knows, so the provider is asked. Bounded, and never a redial by a timer: a call about which
-- the provider has said nothing at all for longer than any call can last is closed as unknown, not repeated.
create or replace function batchline.sweep_calls(
  p_limit int, p_give_up_seconds double precision, p_agency_id uuid default null
)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_now timestamptz := batchline.clock();
  v_found public.calls;
  v_call public.calls;
  v_batches uuid[] := '{}';
  v_released int := 0;
  v_unknown int := 0;
  v_given_up int := 0;
begin
  for v_found in
    select * from public.calls
    where is_live and (p_agency_id is null or agency_id = p_agency_id) and (
      claimed_until <= v_now
      or status in ('unknown', 'ringing', 'answered')
        and coalesce(news_at, unknown_at) + make_interval(secs => max_duration_seconds + p_give_up_seconds) <= v_now
    )
    order by agency_id, batch_id, id
    limit p_limit
  loop
    perform batchline.lock_batches(array[v_found.batch_id]);
    select * into v_call from public.calls where id = v_found.id for update;
    if v_call.status is distinct from v_found.status or v_call.claimed_until is distinct from v_found.claimed_until
      or v_call.news_at is distinct from v_found.news_at then
      continue;
    elsif v_call.status = 'claimed' then
      perform batchline.release_call(v_call, v_now, 'Its worker stopped before it was begun');
      v_released := v_released + 1;
    elsif v_call.status = 'dialing' then
      perform batchline.mark_unknown(v_call, 'Its worker stopped before it knew');
      v_unknown := v_unknown + 1;
    else
      perform batchline.end_call(v_call.id, 'unknown', v_now, 'No answer from the provider');
      v_given_up := v_given_up + 1;
    end if;
    perform batchline.complete_batches(array[v_call.batch_id]);
  end loop;
  return jsonb_build_object('released', v_released, 'unknown', v_unknown, 'given_up', v_given_up);
end;
$$;

-- pending, or in_progress without a valid lease -> in_progress with a lease; longest without progress first, so that
-- no agency starves. A job that is locked has a worker at this moment.
create or replace function batchline.claim_sync_jobs(
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
    select id
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
    set status = 'in_progress',
        claimed_by = p_worker,
        claimed_until = v_now + make_interval(secs => p_lease_seconds),
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

-- For whom process-historical-sync is needed, one entry each: a job that a run holds needs no other.
create or replace function batchline.syncing_agencies()
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

revoke all on function
  batchline.claim_sync_jobs(text, int, double precision, uuid),
  batchline.dialling_agencies(),
  batchline.sweep_calls(int, double precision, uuid),
  batchline.syncing_agencies()
from public, anon, authenticated;
grant execute on function
  batchline.claim_sync_jobs(text, int, double precision, uuid),
  batchline.dialling_agencies(),
  batchline.sweep_calls(int, double precision, uuid),
  batchline.syncing_agencies()
to service_role;
