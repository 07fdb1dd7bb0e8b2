-- Asks for a file with a list: for the batch that p_upload names as batch_id, else for a new one, which is a draft made
-- of the rest of p_upload. The id comes from outside, as the link to the file's place is made from it.
create function batchline.create_contact_import(
  p_user_id uuid, p_import_id uuid, p_upload jsonb, p_seconds double precision, p_once jsonb default null
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_answer jsonb := batchline.recall_answer(v_user.agency_id, 'calls-batch-upload', p_once);
  v_batch_id uuid := (p_upload ->> 'batch_id')::uuid;
  v_import public.contact_imports;
begin
  if v_answer is not null then
    return v_answer;
  end if;
  if v_batch_id is null then
    v_batch_id := (batchline.new_batch(v_user, p_upload || '{"status": "draft", "contacts": []}')).id;
  else
    perform batchline.require_open_batch(v_user.agency_id, v_batch_id);
  end if;
  insert into public.contact_imports (id, agency_id, batch_id, expires_at, created_by)
  values (
    p_import_id, v_user.agency_id, v_batch_id, batchline.clock() + make_interval(secs => p_seconds), v_user.id
  )
  returning * into v_import;
  return batchline.keep_answer(
    v_user.agency_id, 'calls-batch-upload', p_once,
    jsonb_build_object(
      'batch_id', v_batch_id, 'import_id', v_import.id, 'expires_at', public.iso_utc(v_import.expires_at)
    )
  );
end;
$$;
