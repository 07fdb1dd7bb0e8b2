create function batchline.add_to_do_not_call(
  p_user_id uuid, p_phone_numbers text[], p_reason text default null, p_once jsonb default null
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_answer jsonb := batchline.recall_answer(v_user.agency_id, 'do-not-call-add', p_once);
begin
  if v_answer is not null then
    return v_answer;
  end if;
  perform batchline.await_agency(v_user.agency_id);
  return batchline.keep_answer(
    v_user.agency_id, 'do-not-call-add', p_once,
    batchline.forbid_numbers(v_user.agency_id, p_phone_numbers, p_reason, v_user.id)
  );
end;
$$;
