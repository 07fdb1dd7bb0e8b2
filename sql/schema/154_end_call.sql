-- ringing, answered, unknown -> ended, and what that means for the contact and its batch.
create function batchline.end_call(p_call_id uuid, p_outcome text, p_ended_at timestamptz, p_reason text)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_call public.calls;
  v_retry jsonb;
begin
  update public.calls
  set status = 'ended', ended_at = p_ended_at, outcome = p_outcome, reason = p_reason, news_at = batchline.clock()
  where id = p_call_id and status in ('ringing', 'answered', 'unknown')
  returning * into v_call;
  if not found then
    return;
  end if;
  perform batchline.log_call_event(v_call, 'ended', p_reason, jsonb_build_object('outcome', p_outcome));

  select retry into v_retry from public.call_batches where id = v_call.batch_id;
  if p_outcome = 'answered' then
    perform batchline.finish_contact(
      v_call, 'completed', p_outcome, batchline.outcome_note(p_outcome), v_call.duration_seconds
    );
  elsif p_outcome = 'unknown' or not v_retry -> 'on' ? p_outcome then
    perform batchline.finish_contact(v_call, 'failed', p_outcome, batchline.outcome_note(p_outcome));
  else
    perform batchline.requeue_contact(
      v_call, batchline.clock() + batchline.retry_delay(v_retry, v_call.attempt), true,
      batchline.outcome_note(p_outcome), p_outcome
    );
  end if;
  perform batchline.complete_batches(array[v_call.batch_id]);
end;
$$;
