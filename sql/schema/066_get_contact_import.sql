-- A list that comes as a file, and how far it is. Percent of its bytes: nobody knows its rows before they are read.
create function public.get_contact_import(p_import_id uuid)
returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_agency_id uuid := public.my_agency_id();
  v_import jsonb;
begin
  select jsonb_build_object(
    'import_id', id,
    'batch_id', batch_id,
    'status', status,
    'progress_percent', case
      when status = 'completed' then 100.0
      when coalesce(size_bytes, 0) = 0 then 0.0
      else least(99.9, round(100.0 * cursor / size_bytes, 1))
    end,
    'rows_read', rows_read,
    'added', added,
    'skipped', skipped,
    'duplicates_skipped', duplicates_skipped,
    'invalid', invalid,
    'erased', erased,
    'columns', columns,
    'report_rows', report_rows,
    'expires_at', public.iso_utc(expires_at),
    'started_at', public.iso_utc(started_at),
    'completed_at', public.iso_utc(completed_at),
    'error_message', error_message
  )
  into v_import
  from public.contact_imports
  where id = p_import_id and agency_id = v_agency_id;
  if not found then
    raise exception using
      errcode = 'PT404',
      message = 'Import not found or does not belong to the user''s agency',
      detail = '{"code": "import_not_found"}';
  end if;
  return v_import;
end;
$$;
