-- A batch as every answer shows it.
create function public.batch_json(p_batch public.v_call_batch_summary)
returns jsonb
language sql stable set search_path = ''
as $$
  select to_jsonb(p_batch) || jsonb_build_object(
    'scheduled_for', public.iso_utc(p_batch.scheduled_for),
    'waiting_until', public.iso_utc(p_batch.waiting_until),
    'created_at', public.iso_utc(p_batch.created_at),
    'started_at', public.iso_utc(p_batch.started_at),
    'paused_at', public.iso_utc(p_batch.paused_at),
    'completed_at', public.iso_utc(p_batch.completed_at),
    'ends_at', public.iso_utc(p_batch.ends_at)
  );
$$;
