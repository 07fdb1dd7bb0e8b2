-- What was wrong with the rows of an import, in their order: the chunks after a cursor, as many as fit.
create function batchline.list_contact_faults(p_import_id uuid, p_after bigint, p_limit int)
returns jsonb
language sql stable set search_path = '' set enable_seqscan = off set enable_sort = off set jit = off
as $$
  select coalesce(jsonb_agg(jsonb_build_object('cursor', page.cursor, 'faults', page.faults) order by page.cursor), '[]')
  from (
    select cursor, faults
    from public.contact_import_faults
    where import_id = p_import_id and cursor > p_after
    order by cursor
    limit p_limit
  ) as page;
$$;
