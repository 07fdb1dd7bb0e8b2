-- Which calls the provider is to be asked about now, and whose account is to be read again. Stamps asked_at, so that
-- two workers do not ask the same; a question whose worker died is asked again after p_ask_again_seconds. The stamp
-- goes with the question and comes back with its answer (record_none).
create function batchline.claim_questions(
  p_limit int, p_ask_after_seconds double precision, p_ask_again_seconds double precision,
  p_silence_seconds double precision, p_join_timeout_seconds double precision, p_agency_id uuid default null
)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_now timestamptz := batchline.clock();
  v_questions jsonb;
  v_accounts jsonb;
begin
  with due as (
    select call.id
    from public.calls as call
    where call.is_live
      and (p_agency_id is null or call.agency_id = p_agency_id)
      and coalesce(greatest(call.asked_at, call.none_at) + make_interval(secs => p_ask_again_seconds) <= v_now, true)
      and case call.status
            when 'unknown' then call.unknown_at + make_interval(secs => p_ask_after_seconds) <= v_now
            else call.status in ('ringing', 'answered') and (
              call.news_at + make_interval(secs => p_silence_seconds) <= v_now
              or coalesce(call.joined_at, call.accepted_at + make_interval(secs => p_join_timeout_seconds))
                + make_interval(secs => call.max_duration_seconds + 60) <= v_now
            )
          end
    order by coalesce(call.asked_at, call.began_at)
    limit p_limit
    for update skip locked
  ),
  asked as (
    update public.calls as call set asked_at = v_now from due where call.id = due.id returning call.*
  )
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'call_id', asked.id, 'agency_id', asked.agency_id, 'ultravox_call_id', asked.ultravox_call_id,
        'ultravox_agent_id', agent.ultravox_agent_id, 'asked_at', asked.asked_at,
        -- the provider's clock may be behind ours
        'created_from', public.iso_utc(asked.began_at - interval '5 minutes')
      )
    ),
    '[]'
  )
  into v_questions
  from asked
  join public.agent_mappings as agent on agent.id = asked.agent_mapping_id;

  with due as (
    select agency.id
    from public.agencies as agency
    where agency.id in (select active.id from batchline.active_agencies(v_now) as active (id))
      and (p_agency_id is null or agency.id = p_agency_id)
      and coalesce(agency.account_checked_at + interval '10 minutes' <= v_now, true)
    limit p_limit
    for no key update skip locked  -- "for update" would meet the foreign keys of every call and event
  ),
  checked as (
    update public.agencies as agency set account_checked_at = v_now from due where agency.id = due.id
    returning agency.id
  )
  select coalesce(jsonb_agg(id), '[]') into v_accounts from checked;

  return jsonb_build_object('calls', v_questions, 'accounts', v_accounts);
end;
$$;
