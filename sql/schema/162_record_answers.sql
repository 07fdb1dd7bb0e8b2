-- What the provider answered. p_answers: [{"call_id", "answer", "asked_at", …}] with, by answer,
-- found: "call", the provider's Call, which is applied; one that cannot be read counts as failed;
-- none: "ultravox_call_id", if it was asked for by that; else "deleted", the ids of the calls that were deleted since this one began, and "deletes", whether the calls of its
-- agent delete themselves (record_none);
-- failed: "reason", why the provider could not be asked; it is asked again later.
create function batchline.record_answers(p_answers jsonb, p_ask_again_seconds double precision)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_answer record;
  v_found int := 0;
  v_not_placed int := 0;
begin
  for v_answer in
    select answer.*, call.agency_id, call.batch_id
    from jsonb_to_recordset(p_answers) as answer (
      call_id uuid, answer text, asked_at timestamptz, call jsonb, ultravox_call_id uuid, deleted uuid[],
      deletes boolean, reason text
    )
    join public.calls as call on call.id = answer.call_id
    order by call.agency_id, call.batch_id, call.id
  loop
    perform batchline.lock_agency(v_answer.agency_id);  -- before any batch: a call found may be one that was given up
    if v_answer.answer = 'found' then
      begin
        perform batchline.apply_call(v_answer.agency_id, v_answer.call, 'lookup');
        v_found := v_found + 1;
      exception when data_exception then  -- what cannot be read of one call must not keep all others waiting
        perform batchline.record_failed_question(v_answer.call_id, 'The provider''s answer cannot be read: ' || sqlerrm);
      end;
    elsif v_answer.answer = 'none' then
      perform batchline.lock_batches(array[v_answer.batch_id]);
      v_not_placed := v_not_placed + batchline.record_none(
        v_answer.call_id, v_answer.ultravox_call_id, v_answer.asked_at, p_ask_again_seconds, v_answer.deleted,
        coalesce(v_answer.deletes, false)
      )::int;
      perform batchline.complete_batches(array[v_answer.batch_id]);
    else
      perform batchline.record_failed_question(v_answer.call_id, v_answer.reason);
    end if;
  end loop;
  return jsonb_build_object('found', v_found, 'not_placed', v_not_placed);
end;
$$;
