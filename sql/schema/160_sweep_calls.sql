-- What a worker left behind when it died or froze: a claimed call was never begun, so its contact may be dialled again;
-- of a dialing one nobody knows, so the provider is asked. Bounded, and never a redial by a timer: a call about which
-- the provider has said nothing at all for longer than any call can last is closed as unknown, not repeated.
create function batchline.sweep_calls(
  p_limit int, p_give_up_seconds double precision, p_agency_id uuid default null
)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_now timestamptz := batchline.clock();
  v_found public.calls;
  v_call public.calls;
  v_batches uuid[] := '{}';
  v_released int := 0;
  v_unknown int := 0;
  v_given_up int := 0;
begin
  for v_found in
    select * from public.calls
    where is_live and (p_agency_id is null or agency_id = p_agency_id) and (
      claimed_until <= v_now
      or status in ('unknown', 'ringing', 'answered')
        and coalesce(news_at, unknown_at) + make_interval(secs => max_duration_seconds + p_give_up_seconds) <= v_now
    )
    order by agency_id, batch_id, id
    limit p_limit
  loop
    perform batchline.lock_batches(array[v_found.batch_id]);
    select * into v_call from public.calls where id = v_found.id for update;
    if v_call.status is distinct from v_found.status or v_call.claimed_until is distinct from v_found.claimed_until
      or v_call.news_at is distinct from v_found.news_at then
      continue;
    elsif v_call.status = 'claimed' then
      perform batchline.release_call(v_call, v_now, 'Its worker stopped before it was begun');
      v_released := v_released + 1;
    elsif v_call.status = 'dialing' then
      perform batchline.mark_unknown(v_call, 'Its worker stopped before it knew');
      v_unknown := v_unknown + 1;
    else
      perform batchline.end_call(v_call.id, 'unknown', v_now, 'No answer from the provider');
      v_given_up := v_given_up + 1;
    end if;
    perform batchline.complete_batches(array[v_call.batch_id]);
  end loop;
  return jsonb_build_object('released', v_released, 'unknown', v_unknown, 'given_up', v_given_up);
end;
$$;
