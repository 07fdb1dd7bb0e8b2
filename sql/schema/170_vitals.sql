-- How the whole deployment is, or one agency: how it stands now, and what befell it in the last p_window_seconds, read
-- from partial indexes alone. Unsettled: claimed or begun, and nobody knows yet whether the provider has the call.
-- Asked in vain: nothing was learned by asking, half a minute after the question. Processors are the deployment's alone.
-- Planned anew each time: a plan made while there were few events would read all of them ever after. "offset 0" keeps
-- the agency out of the choice of an index, which might fall on all of its past.
create function batchline.vitals(p_agency_id uuid default null, p_window_seconds int default 300)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set plan_cache_mode = force_custom_plan set jit = off
as $$
declare
  v_now timestamptz := batchline.clock();
  v_since timestamptz := v_now - make_interval(secs => p_window_seconds);
begin
  return (
    select jsonb_build_object(
      'slots_held', count(*),
      'unknown_calls', count(*) filter (where status = 'unknown'),
      'oldest_unsettled_seconds', coalesce(extract(epoch from v_now - min(coalesce(began_at, claimed_at)) filter (
        where status in ('claimed', 'dialing', 'unknown')
      )), 0),
      'asked_in_vain', count(*) filter (
        where asked_at <= v_now - interval '30 s' and coalesce(asked_at > greatest(none_at, news_at), true)
      )
    )
    from (select * from public.calls where is_live offset 0) as live
    where p_agency_id is null or agency_id = p_agency_id
  ) || (
    select jsonb_build_object(
      'throttles', count(*) filter (where event = 'throttled'),
      'late_acceptances', count(*) filter (where event = 'late_acceptance'),
      'breaker_trips', count(*) filter (where event = 'paused' and detail ->> 'rule' = 'circuit_breaker'),
      'account_pauses', count(*) filter (where event = 'paused' and detail ->> 'rule' = 'account_refused')
    )
    from (
      select * from public.call_events
      where at > v_since and event in ('paused', 'throttled', 'late_acceptance')
      offset 0
    ) as recent
    where p_agency_id is null or agency_id = p_agency_id
  ) || case
    when p_agency_id is null then jsonb_build_object('silent_processors', batchline.silent_processors())
    else '{}'
  end;
end;
$$;
