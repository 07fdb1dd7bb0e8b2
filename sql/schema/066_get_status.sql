-- How the processors are, and what is out of the caller's agency. Unsettled: nobody knows yet whether the provider has
-- the call. A processor that has never run is shown as such.
create function public.get_status()
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
