-- Volatile and read when called: a transaction's now() is too old after waiting for a lock.
-- Functions take it once into a variable, because an index cannot serve a volatile expression.
create function batchline.clock()
returns timestamptz
language sql volatile set search_path = ''
as $$
  select clock_timestamp() + coalesce(nullif(current_setting('batchline.clock_offset', true), ''), '0')::interval;
$$;
