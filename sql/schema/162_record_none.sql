create function batchline.record_none(p_call_id uuid, p_ask_again_seconds double precision)
returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_call public.calls;
begin
  select * into v_call from public.calls where id = p_call_id for update;
  if v_call.status in ('ringing', 'answered') then
    perform batchline.end_call(p_call_id, 'unknown', v_now, 'The provider no longer has the call');
    return false;
  elsif v_call.status <> 'unknown' then
    return false;
  elsif v_call.none_at is null or v_call.none_at + make_interval(secs => p_ask_again_seconds) > v_now then
    update public.calls set none_at = coalesce(none_at, v_now) where id = p_call_id;
    perform batchline.log_call_event(v_call, 'asked', 'The provider knows of no such call');
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
