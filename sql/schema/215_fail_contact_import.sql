-- A run has failed. The import goes on with a later one, unless that cannot help (p_is_final) or it was the tenth in a
-- row without a chunk.
create function batchline.fail_contact_import(p_import_id uuid, p_worker text, p_reason text, p_is_final boolean)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_import public.contact_imports := batchline.lock_contact_import(p_import_id);
  v_now timestamptz := batchline.clock();
begin
  if v_import.claimed_by = p_worker and (p_is_final or v_import.attempts >= 9) then
    v_import := batchline.end_contact_import(v_import, 'failed', p_reason);
  elsif v_import.claimed_by = p_worker then
    update public.contact_imports
    set attempts = attempts + 1, error_message = p_reason, last_error_at = v_now,
        resume_after = v_now + interval '30 s', claimed_by = null, claimed_until = null
    where id = p_import_id
    returning * into v_import;
  end if;
  return batchline.contact_import_progress(v_import, p_worker);
end;
$$;
