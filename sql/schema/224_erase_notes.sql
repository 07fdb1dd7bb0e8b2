-- Sentences and answers in which the number may stand, beside the person's own rows.
create function batchline.erase_notes(p_agency_id uuid, p_batch_ids uuid[], p_phone_number text)
returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_digits text := substr(p_phone_number, 2);
  v_changed int := 0;
  v_more int;
begin
  update public.call_batches
  set error_message = batchline.without_number(error_message, p_phone_number),
      name = batchline.without_number(name, p_phone_number)
  where id = any (p_batch_ids) and position(v_digits in concat_ws(' ', error_message, name)) > 0;
  get diagnostics v_changed = row_count;

  update public.idempotent_answers
  set answer = batchline.without_number(answer::text, p_phone_number)::jsonb
  where agency_id = p_agency_id and position(v_digits in answer::text) > 0;
  get diagnostics v_more = row_count;
  v_changed := v_changed + v_more;

  update public.historical_sync_jobs
  set error_message = batchline.without_number(error_message, p_phone_number)
  where agency_id = p_agency_id and position(v_digits in error_message) > 0;
  get diagnostics v_more = row_count;
  v_changed := v_changed + v_more;

  -- What a list called its columns, and why it failed.
  update public.contact_imports
  set columns = batchline.without_number(columns::text, p_phone_number)::jsonb,
      error_message = batchline.without_number(error_message, p_phone_number)
  where agency_id = p_agency_id and position(v_digits in concat_ws(' ', columns::text, error_message)) > 0;
  get diagnostics v_more = row_count;
  v_changed := v_changed + v_more;

  update public.historical_sync_failures
  set reason = batchline.without_number(reason, p_phone_number),
      ultravox_call_id = batchline.without_number(ultravox_call_id, p_phone_number)
  where agency_id = p_agency_id and position(v_digits in concat_ws(' ', reason, ultravox_call_id)) > 0;
  get diagnostics v_more = row_count;
  return v_changed + v_more;
end;
$$;
