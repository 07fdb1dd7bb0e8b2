-- When a batch will have been called through at the earliest, as its list, hours and limits are now, and which of them
-- decides; null when it is over. That people are called again who were not reached is not foretold, nor is what rules
-- about a number will hold back.
create function public.batch_forecast(p_batch_id uuid, p_now timestamptz)
returns jsonb
language plpgsql stable
set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_batch public.call_batches;
  v_rate record;
  v_queues jsonb;
  v_from timestamptz;
  v_end timestamptz;
  v_unhindered timestamptz;
begin
  select * into v_batch from public.call_batches where id = p_batch_id;
  if v_batch.status in ('completed', 'failed', 'cancelled') then
    return null;
  end if;
  v_from := greatest(p_now, v_batch.scheduled_for, v_batch.waiting_until);
  v_queues := public.forecast_queues(v_batch);
  v_rate := public.forecast_rate(v_batch);
  if v_batch.status <> 'paused' and v_rate.per_second > 0 then
    v_end := public.forecast_end(
      v_batch.calling_hours, v_queues, v_rate.per_second, v_from, v_from + interval '60 days'
    );
  end if;
  if v_end is null or v_end >= v_batch.ends_at then
    return jsonb_build_object('earliest_completion', null, 'limited_by', 'cannot_finish');
  end if;
  v_unhindered := greatest(p_now, v_batch.scheduled_for) + make_interval(secs => (v_batch.pending + v_batch.queued) / v_rate.per_second);
  return jsonb_build_object(
    'earliest_completion', public.iso_utc(date_trunc('second', v_end + make_interval(secs => v_rate.seconds))),
    'limited_by', case when v_end > v_unhindered + interval '1 minute' then 'calling_hours' else v_rate.limited_by end
  );
end;
$$;
