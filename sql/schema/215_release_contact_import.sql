-- A run leaves an import that is not done, for want of time. Another goes on.
create function batchline.release_contact_import(p_import_id uuid, p_worker text)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_import public.contact_imports;
begin
  update public.contact_imports
  set claimed_by = null, claimed_until = null
  where id = p_import_id and status = 'in_progress' and claimed_by = p_worker;
  select * into v_import from public.contact_imports where id = p_import_id;
  return batchline.contact_import_progress(v_import, p_worker);
end;
$$;
