-- The circuit breaker: of the last 10 dials of the batch, since it was started or resumed and at most 30 minutes old,
-- more than half came to nothing for a reason that the next dial would meet too. What the provider throttles, and what
-- we did not send in time, says nothing of that kind and is passed over; so is a dial whose worker stopped.
-- The agency and the batch are locked.
create function batchline.trip_breaker(p_batch public.call_batches)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_since timestamptz := greatest(p_batch.resumed_at, batchline.clock() - interval '30 minutes');
  v_dials int;
  v_bad int;
  v_latest text;
begin
  select count(*),
         count(*) filter (where dial.is_bad),
         (array_agg(dial.reason order by dial.began_at desc) filter (where dial.is_bad))[1]
  into v_dials, v_bad, v_latest
  from (
    select began_at, reason, dial_result in ('unknown', 'unreachable', 'refused') as is_bad
    from public.calls
    where batch_id = p_batch.id and began_at >= v_since and dial_result not in ('throttled', 'not_sent')
    order by began_at desc
    limit 10
  ) as dial;
  if v_dials = 10 and v_bad > 5 then
    perform batchline.pause_batch(
      p_batch,
      format(
        'Paused because %s of the last 10 calls could not be placed, the latest for this reason: %s. '
        'Mend the cause, then resume the batch.',
        v_bad, rtrim(v_latest, '.')
      ),
      p_rule => 'circuit_breaker'
    );
  end if;
end;
$$;
