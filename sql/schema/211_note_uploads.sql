-- What the object storage said of awaited files. p_arrived: [{"import_id", "etag", "size_bytes"}]. One that is missing
-- long after its link has ended will not come: an upload that began in the link's last second has a quarter of an hour.
create function batchline.note_uploads(p_arrived jsonb, p_missing uuid[])
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_import public.contact_imports;
begin
  for v_import in
    select * from public.contact_imports
    where id = any (p_missing) and status = 'pending' and size_bytes is null
      and expires_at + interval '15 minutes' <= v_now
    order by agency_id, batch_id, id
  loop
    perform batchline.end_contact_import(
      v_import, 'failed', 'No file arrived before the link ended; ask for a new one with calls-batch-upload'
    );
  end loop;
  update public.contact_imports as list
  set etag = arrived.etag, size_bytes = arrived.size_bytes
  from jsonb_to_recordset(p_arrived) as arrived (import_id uuid, etag text, size_bytes bigint)
  where list.id = arrived.import_id and list.status = 'pending' and list.size_bytes is null;
end;
$$;
