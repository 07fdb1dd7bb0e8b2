-- What readers take for now: the same as clock(), which users may not call, at the start of their statement.
create function public.reading_time()
returns timestamptz
language sql stable set search_path = ''
as $$
  select statement_timestamp() + coalesce(nullif(current_setting('batchline.clock_offset', true), ''), '0')::interval;
$$;
