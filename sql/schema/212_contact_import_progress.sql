-- How an import stands, for the worker that asks: "mine" tells whether its lease still holds.
create function batchline.contact_import_progress(p_import public.contact_imports, p_worker text)
returns jsonb
language sql volatile set search_path = ''
as $$
  select jsonb_build_object(
    'import_id', p_import.id,
    'agency_id', p_import.agency_id,
    'batch_id', p_import.batch_id,
    'status', p_import.status,
    'mine', coalesce(p_import.claimed_by = p_worker and p_import.claimed_until > batchline.clock(), false),
    'etag', p_import.etag,
    'size_bytes', p_import.size_bytes,
    'cursor', p_import.cursor,
    'rows_seen', p_import.rows_seen,
    'rows_read', p_import.rows_read,
    'added', p_import.added,
    'duplicates_skipped', p_import.duplicates_skipped,
    'skipped', p_import.skipped,
    'invalid', p_import.invalid,
    'erased', p_import.erased,
    'attempts', p_import.attempts,
    'error', p_import.error_message
  );
$$;
