comment on function batchline.clock() is
  'The one clock of all decisions. Tests move it with the setting batchline.clock_offset (an interval).';

-- ISO 8601 in UTC with Z, with a fraction only where there is one: what every answer carries.
create function public.iso_utc(p_time timestamptz)
returns text
language sql immutable set search_path = ''
as $$
  select regexp_replace(to_char(p_time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '\.?0{1,6}$', '') || 'Z';
$$;
