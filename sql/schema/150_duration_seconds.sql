-- "102s" -> 102
create function batchline.duration_seconds(p_duration text)
returns int
language sql immutable set search_path = ''
as $$
  select round((substring(p_duration from '^(-?[0-9]+(?:\.[0-9]+)?)s$'))::numeric)::int;
$$;
