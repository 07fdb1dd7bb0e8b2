-- Moves a call of ours forward to where the payload has it, and its contact with it. Batch and call are locked.
create function batchline.advance_call(p_call public.calls, p_data jsonb, p_source text)
returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_call public.calls;
  v_status text := batchline.call_status(p_data);
  v_changed boolean;
begin
  if p_call.status = 'ended' and p_call.outcome = 'unknown' then
    v_changed := v_status = 'ended' and batchline.learn_ending(p_call, p_data);
  else
    v_changed := batchline.accept_call(
      p_call, (p_data ->> 'callId')::uuid, case p_source when 'lookup' then 'adopted' else 'accepted' end
    );
  end if;
  select * into v_call from public.calls where id = p_call.id;
  if v_call.ultravox_call_id::text is distinct from p_data ->> 'callId' then
    return false;
  end if;

  v_changed := batchline.fill_call(v_call.id, p_data) or v_changed;
  if v_call.status = 'ringing' and v_status = 'answered' then
    update public.calls set status = 'answered', news_at = batchline.clock() where id = v_call.id;
    perform batchline.log_call_event(v_call, 'answered');
  elsif v_call.status in ('ringing', 'answered') and v_status = 'ended' then
    perform batchline.end_call(
      v_call.id, batchline.call_outcome(p_data), (p_data ->> 'ended')::timestamptz, p_data ->> 'endReason'
    );
  elsif v_call.status in ('ringing', 'answered') then
    update public.calls set news_at = batchline.clock() where id = v_call.id;
  end if;
  return v_changed;
end;
$$;
