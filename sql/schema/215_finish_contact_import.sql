-- The whole file has been read and the report is stored. A list of which nothing could be used has failed.
create function batchline.finish_contact_import(p_import_id uuid, p_worker text, p_report_rows int)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_import public.contact_imports := batchline.lock_contact_import(p_import_id);
  v_failure text;
begin
  if v_import.claimed_by = p_worker and v_import.claimed_until > batchline.clock()
    and v_import.cursor = v_import.size_bytes
  then
    v_failure := case
      when v_import.rows_read = 0 then 'The file holds no rows below its header'
      when v_import.rows_read = v_import.invalid + v_import.erased then
        format('None of the %s rows could be used; the report says why', v_import.rows_read)
    end;
    v_import := batchline.end_contact_import(
      v_import, case when v_failure is null then 'completed' else 'failed' end, v_failure, p_report_rows
    );
  end if;
  return batchline.contact_import_progress(v_import, p_worker);
end;
$$;
