-- How many contacts of a batch are still to be called in each set of time zones. Before the start of a program's batch
-- some have none yet: they will have the batch's.
create function public.forecast_queues(p_batch public.call_batches)
returns jsonb
language sql stable set search_path = '' set jit = off
as $$
  with zone as (
    select time_zones, waiting from public.call_batch_zones where batch_id = p_batch.id and waiting > 0
  ),
  queue as (
    select time_zones, waiting from zone
    union all
    select case when p_batch.calling_hours is null then '{}' else array[p_batch.timezone] end,
           p_batch.pending + p_batch.queued - coalesce((select sum(waiting) from zone), 0)
  )
  select coalesce(
    jsonb_agg(jsonb_build_object('time_zones', to_jsonb(time_zones), 'contacts', waiting)) filter (where waiting > 0), '[]'
  )
  from queue;
$$;
