set local lock_timeout = '4s';
set local statement_timeout = '30s';

-- What runs on a schedule, by name: serverless.yml says when, and a test holds the two equal.
create or replace function public.processors()
returns text[]
language sql immutable set search_path = ''
as $$
  select array['calls-batch-process', 'process-contact-imports', 'process-historical-sync', 'process-notices']
$$;

-- How the processors are, and what is out of the caller's agency. Unsettled: nobody knows yet whether the provider has
-- the call. A processor that has never run is shown as such.
create or replace function public.get_status()
returns jsonb
language plpgsql stable
set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_agency_id uuid := public.my_agency_id();
  v_now timestamptz := public.reading_time();
  v_processors jsonb;
begin
  select coalesce(jsonb_agg(jsonb_build_object(
    'processor', processor,
    'started_at', public.iso_utc(run.started_at),
    'ended_at', public.iso_utc(run.ended_at),
    'outcome', coalesce(run.outcome, 'never'),
    'age_seconds', case
      when run.ended_at is not null then greatest(0, round(extract(epoch from v_now - run.ended_at), 1))
    end
  ) order by processor), '[]')
  into v_processors
  from unnest(public.processors()) as scheduled(processor)
  left join public.processor_runs as run using (processor);

  return (
    select jsonb_build_object(
      'processors', v_processors,
      'live_calls', count(*),
      'unknown_calls', count(*) filter (where status = 'unknown'),
      'oldest_unsettled_seconds', round(extract(epoch from v_now - min(coalesce(began_at, created_at)) filter (
        where status in ('claimed', 'dialing', 'unknown')
      )), 1)
    )
    from public.calls
    where agency_id = v_agency_id and is_live
  );
end;
$$;

-- How many processors have never run, or not ended a run for ten minutes: the longest takes five, and others start
-- beside it every minute.
create or replace function batchline.silent_processors()
returns int
language sql volatile set search_path = ''
as $$
  select count(*)::int
  from unnest(public.processors()) as scheduled(processor)
  left join public.processor_runs as run using (processor)
  where (run.ended_at >= batchline.clock() - interval '10 min') is not true
$$;

-- How the whole deployment is, or one agency: how it stands now, and what befell it in the last p_window_seconds, read
-- from partial indexes alone. Unsettled: claimed or begun, and nobody knows yet whether the provider has the call.
-- Asked in vain: nothing was learned by asking, half a minute after the question. Processors are the deployment's alone.
-- Planned anew each time: a plan made while there were few events would read all of them ever after. "offset 0" keeps
-- the agency out of the choice of an index, which might fall on all of its past.
create or replace function batchline.vitals(p_agency_id uuid default null, p_window_seconds int default 300)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set plan_cache_mode = force_custom_plan set jit = off
as $$
declare
  v_now timestamptz := batchline.clock();
  v_since timestamptz := v_now - make_interval(secs => p_window_seconds);
begin
  return (
    select jsonb_build_object(
      'slots_held', count(*),
      'unknown_calls', count(*) filter (where status = 'unknown'),
      'oldest_unsettled_seconds', coalesce(extract(epoch from v_now - min(coalesce(began_at, claimed_at)) filter (
        where status in ('claimed', 'dialing', 'unknown')
      )), 0),
      'asked_in_vain', count(*) filter (
        where asked_at <= v_now - interval '30 s' and coalesce(asked_at > greatest(none_at, news_at), true)
      )
    )
    from (select * from public.calls where is_live offset 0) as live
    where p_agency_id is null or agency_id = p_agency_id
  ) || (
    select jsonb_build_object(
      'throttles', count(*) filter (where event = 'throttled'),
      'late_acceptances', count(*) filter (where event = 'late_acceptance'),
      'breaker_trips', count(*) filter (where event = 'paused' and detail ->> 'rule' = 'circuit_breaker'),
      'account_pauses', count(*) filter (where event = 'paused' and detail ->> 'rule' = 'account_refused')
    )
    from (
      select * from public.call_events
      where at > v_since and event in ('paused', 'throttled', 'late_acceptance')
      offset 0
    ) as recent
    where p_agency_id is null or agency_id = p_agency_id
  ) || case
    when p_agency_id is null then jsonb_build_object('silent_processors', batchline.silent_processors())
    else '{}'
  end;
end;
$$;

revoke all on function
  batchline.silent_processors(),
  public.processors()
from public, anon, authenticated;
grant execute on function
  batchline.silent_processors(),
  public.processors()
to service_role;
grant execute on function public.processors() to authenticated;
