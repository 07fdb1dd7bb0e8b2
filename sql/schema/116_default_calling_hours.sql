create function batchline.default_calling_hours()
returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_object(
    'timezone', 'recipient',
    'weekly', (
      select jsonb_object_agg(day, '[["08:00", "21:00"]]'::jsonb)
      from unnest(array['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']) as week (day)
    ),
    'holidays', '[]'::jsonb
  );
$$;
