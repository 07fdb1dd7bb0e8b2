-- The provider knows of no such call. Of one that was asked for by the provider's id: it is gone, and its fate with it,
-- unless there was news since. Of an unknown one:
-- once is not enough, since a look-up may lag; said to two questions, the second put p_ask_again_seconds after the first
-- was answered, nothing was placed, unless the call may have been placed and deleted. True where nothing was placed.
create function batchline.record_none(
  p_call_id uuid, p_ultravox_call_id uuid, p_asked_at timestamptz, p_ask_again_seconds double precision,
  p_deleted uuid[], p_deletes boolean
)
returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_call public.calls;
  v_doubt text;
begin
  select * into v_call from public.calls where id = p_call_id for update;
  -- Only the latest question counts: a worker that was frozen may bring the answer to one put long ago.
  if v_call.asked_at is distinct from p_asked_at then
    return false;
  elsif v_call.status in ('ringing', 'answered')
    and v_call.ultravox_call_id = p_ultravox_call_id and v_call.news_at < p_asked_at then
    perform batchline.end_call(p_call_id, 'unknown', v_now, 'The provider no longer has the call');
    return false;
  elsif v_call.status <> 'unknown' then
    return false;
  elsif coalesce(v_call.none_at + make_interval(secs => p_ask_again_seconds) > p_asked_at, true) then
    update public.calls set none_at = coalesce(none_at, v_now) where id = p_call_id;
    perform batchline.log_call_event(v_call, 'asked', 'The provider knows of no such call');
    return false;
  end if;

  v_doubt := batchline.why_perhaps_deleted(v_call, p_deleted, p_deletes);
  if v_doubt is not null then
    perform batchline.end_call(p_call_id, 'unknown', v_now, v_doubt);
    return false;
  end if;
  update public.calls
  set status = 'not_placed', reason = 'The provider twice knew of no such call', news_at = v_now
  where id = p_call_id;
  perform batchline.log_call_event(v_call, 'not_placed', 'The provider twice knew of no such call');
  perform batchline.requeue_contact(v_call, v_now, false, 'The call was not placed');
  return true;
end;
$$;
