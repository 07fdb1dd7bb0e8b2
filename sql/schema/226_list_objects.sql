-- Of an agency's lists, the imports whose report may still name somebody who was erased, since a column of the list did;
-- and those that are over, whose link let a file be put after them that nobody reads.
create function batchline.list_objects(p_agency_id uuid)
returns jsonb
language sql volatile set search_path = ''
as $$
  select jsonb_build_object(
    'reports', coalesce(jsonb_agg(id order by id) filter (
      where report_rows > 0 and position('[erased]' in columns::text) > 0
    ), '[]'),
    'lists', coalesce(jsonb_agg(id order by id) filter (where status in ('completed', 'failed')), '[]')
  )
  from public.contact_imports
  where agency_id = p_agency_id and created_at > batchline.clock() - interval '31 days';  -- objects are kept for 30
$$;
