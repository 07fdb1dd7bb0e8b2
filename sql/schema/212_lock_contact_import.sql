-- An import's row, locked after its agency and its batch, as the order of locks has it.
create function batchline.lock_contact_import(p_import_id uuid)
returns public.contact_imports
language plpgsql volatile set search_path = ''
as $$
declare
  v_import public.contact_imports;
begin
  select * into v_import from public.contact_imports where id = p_import_id;
  perform batchline.lock_agency(v_import.agency_id);
  perform batchline.lock_batches(array[v_import.batch_id]);
  select * into v_import from public.contact_imports where id = p_import_id for no key update;
  return v_import;
end;
$$;
