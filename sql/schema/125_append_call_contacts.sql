-- p_list: {"contacts": […], "duplicates_removed": n}. The contacts come as create_call_batch has them.
create function batchline.append_call_contacts(
  p_user_id uuid, p_batch_id uuid, p_list jsonb, p_once jsonb default null
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_answer jsonb := batchline.recall_answer(v_user.agency_id, 'calls-batch-append', p_once);
  v_batch public.call_batches;
  v_done jsonb;
begin
  if v_answer is not null then
    return v_answer;
  end if;
  v_batch := batchline.require_open_batch(v_user.agency_id, p_batch_id);
  v_done := batchline.append_contacts(v_batch, p_list -> 'contacts');
  v_answer := jsonb_build_object(
    'batch_id', v_batch.id,
    'added', v_done -> 'added',
    'duplicates_skipped', (p_list ->> 'duplicates_removed')::int + jsonb_array_length(v_done -> 'duplicates'),
    'skipped', v_done -> 'skipped',
    'total_contacts', v_done -> 'total_contacts'
  );
  perform batchline.log_batch_event(v_batch, 'appended', p_actor => v_user.id, p_detail => v_answer - 'batch_id');
  return batchline.keep_answer(v_user.agency_id, 'calls-batch-append', p_once, v_answer);
end;
$$;
