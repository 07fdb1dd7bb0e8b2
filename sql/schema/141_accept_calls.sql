-- -> ringing, for calls of which somebody has made sure that they may; their batches are locked. How many there were.
create function batchline.accept_calls(p_call_ids uuid[], p_ultravox_call_ids uuid[], p_event text)
returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_accepted int;
begin
  with accepted as (
    update public.calls as call
    set status = 'ringing',
        ultravox_call_id = taken.ultravox_call_id,
        accepted_at = v_now,
        news_at = v_now,
        began_at = coalesce(call.began_at, v_now),
        claimed_until = null,
        dial_result = coalesce(nullif(call.dial_result, 'unknown'), 'accepted')
    from unnest(p_call_ids, p_ultravox_call_ids) as taken (call_id, ultravox_call_id)
    where call.id = taken.call_id and call.status in ('dialing', 'unknown', 'not_placed')
    returning call.*
  )
  insert into public.call_events (agency_id, batch_id, contact_id, call_id, event)
  select agency_id, batch_id, contact_id, id, p_event from accepted;
  get diagnostics v_accepted = row_count;
  return v_accepted;
end;
$$;
