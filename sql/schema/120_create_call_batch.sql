-- One batch with its contacts, in one transaction. The contacts come normalised, valid and without duplicates.
create function batchline.create_call_batch(p_user_id uuid, p_batch jsonb, p_once jsonb default null)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_answer jsonb := batchline.recall_answer(v_user.agency_id, 'calls-batch-create', p_once);
  v_batch public.call_batches;
begin
  if v_answer is not null then
    return v_answer;
  end if;
  v_batch := batchline.new_batch(v_user, p_batch);
  return batchline.keep_answer(
    v_user.agency_id, 'calls-batch-create', p_once,
    batchline.created_batch_json(v_batch.id, coalesce((p_batch ->> 'duplicates_removed')::int, 0))
  );
end;
$$;
