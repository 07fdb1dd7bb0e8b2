create function batchline.default_retry()
returns jsonb
language sql immutable set search_path = ''
as $$
  select '{"max_attempts": 3, "delay_minutes": 15, "growth": 2, "on": ["no_answer", "busy", "dropped", "error"]}'::jsonb;
$$;
