-- pending, in_progress -> completed or failed. The batch may have waited for this alone.
create function batchline.end_contact_import(
  p_import public.contact_imports, p_status text, p_error_message text, p_report_rows int default null
)
returns public.contact_imports
language plpgsql volatile set search_path = ''
as $$
declare
  v_import public.contact_imports := batchline.lock_contact_import(p_import.id);
  v_batch public.call_batches;
begin
  update public.contact_imports
  set status = p_status, error_message = p_error_message, completed_at = batchline.clock(),
      report_rows = p_report_rows, claimed_by = null, claimed_until = null
  where id = p_import.id and status in ('pending', 'in_progress')
  returning * into v_import;
  if found then
    delete from public.contact_import_faults where import_id = p_import.id;
    select * into v_batch from public.call_batches where id = v_import.batch_id;
    perform batchline.log_batch_event(
      v_batch, 'appended', p_error_message, v_import.created_by,
      jsonb_build_object(
        'import_id', v_import.id, 'status', p_status, 'added', v_import.added,
        'duplicates_skipped', v_import.duplicates_skipped, 'skipped', v_import.skipped, 'invalid', v_import.invalid,
        'erased', v_import.erased
      )
    );
    perform batchline.complete_batches(array[v_import.batch_id]);
  end if;
  return v_import;
end;
$$;
