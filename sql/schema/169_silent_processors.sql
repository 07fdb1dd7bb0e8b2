-- How many processors have never run, or not ended a run for ten minutes: the longest takes five, and others start
-- beside it every minute.
create function batchline.silent_processors()
returns int
language sql volatile set search_path = ''
as $$
  select count(*)::int
  from unnest(public.processors()) as scheduled(processor)
  left join public.processor_runs as run using (processor)
  where (run.ended_at >= batchline.clock() - interval '10 min') is not true
$$;
