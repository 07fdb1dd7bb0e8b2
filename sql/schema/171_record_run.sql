-- The end of a processor's run, which took so many seconds. Of runs that overlap the one that ended last is kept.
create function batchline.record_run(p_processor text, p_seconds double precision, p_outcome text)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
begin
  insert into public.processor_runs as run (processor, started_at, ended_at, outcome)
  values (p_processor, v_now - make_interval(secs => p_seconds), v_now, p_outcome)
  on conflict (processor) do update
  set started_at = excluded.started_at, ended_at = excluded.ended_at, outcome = excluded.outcome
  where run.ended_at <= excluded.ended_at;
end;
$$;
