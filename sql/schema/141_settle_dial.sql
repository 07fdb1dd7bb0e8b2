-- One result. True where it changed anything.
create function batchline.settle_dial(
  p_call_id uuid, p_result text, p_ultravox_call_id uuid, p_reason text, p_retry_after_seconds double precision
)
returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_call public.calls;
begin
  select * into v_call from public.calls where id = p_call_id for update;
  if p_result = 'accepted' then
    return batchline.accept_call(v_call, p_ultravox_call_id, 'accepted');
  end if;
  if p_result = 'unknown' and v_call.status = 'dialing' then
    perform batchline.mark_unknown(v_call, p_reason, 'unknown');
    return true;
  elsif p_result = 'unknown' then
    return batchline.doubt_call(v_call, p_reason);
  elsif v_call.status not in ('dialing', 'unknown') then
    return false;
  end if;

  update public.calls
  set status = 'not_placed', claimed_until = null, dial_result = p_result, reason = p_reason, news_at = v_now
  where id = p_call_id;
  perform batchline.log_call_event(
    v_call, case when p_result = 'throttled' then 'throttled' else 'refused' end, p_reason,
    jsonb_strip_nulls(jsonb_build_object('result', p_result, 'retry_after_seconds', p_retry_after_seconds))
  );

  if p_result = 'account_refused' then
    perform batchline.pause_agency(v_call.agency_id, p_reason);
  elsif p_result = 'agent_gone' then
    perform batchline.close_batch(batch, 'failed', p_reason)
    from public.call_batches as batch where batch.id = v_call.batch_id;
  elsif p_result = 'throttled' then
    update public.agencies
    set dial_after = greatest(dial_after, v_now + make_interval(secs => least(coalesce(p_retry_after_seconds, 5), 900)))
    where id = v_call.agency_id;
  end if;

  if p_result = 'number_refused' then
    perform batchline.finish_contact(v_call, 'failed', 'invalid_number', p_reason);
  else
    perform batchline.requeue_contact(v_call, v_now + batchline.hold_back(p_result), false, p_reason);
  end if;
  return true;
end;
$$;
