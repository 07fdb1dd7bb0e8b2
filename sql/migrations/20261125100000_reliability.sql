set local lock_timeout = '4s';
set local statement_timeout = '30s';

alter table public.call_events drop constraint call_events_call_id_fkey;
alter table public.call_events
  add constraint call_events_call_id_fkey foreign key (call_id) references public.calls (id) on delete set null;

drop function batchline.log_batch_event(public.call_batches, text, text, uuid);
drop function batchline.pause_batch(public.call_batches, text, uuid);
drop function batchline.mark_unknown(public.calls, text);
drop function batchline.revive_contact(public.calls);
drop function batchline.settle_locked(jsonb);
drop function batchline.record_none(uuid, double precision);

create or replace function batchline.log_batch_event(
  p_batch public.call_batches, p_event text, p_reason text default null, p_actor uuid default null,
  p_detail jsonb default null
)
returns void
language sql volatile set search_path = ''
as $$
  insert into public.call_events (agency_id, batch_id, event, reason, actor, detail)
  values (p_batch.agency_id, p_batch.id, p_event, p_reason, p_actor, p_detail);
$$;

-- processing, scheduled -> paused, by a user or by a rule. After it every call that the provider accepts for the batch
-- was dialing before: begin_dial waits for the same locks, and what is only claimed is released here.
create or replace function batchline.pause_batch(
  p_batch public.call_batches, p_error_message text, p_actor uuid default null, p_rule text default null
)
returns public.call_batches
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  update public.call_batches
  set status = 'paused', paused_at = batchline.clock(), error_message = p_error_message, waiting_until = null
  where id = p_batch.id and status in ('processing', 'scheduled')
  returning * into v_batch;
  if found then
    perform batchline.release_claimed(p_batch.id, 'Batch paused');
    perform batchline.log_batch_event(
      v_batch, 'paused', p_error_message, p_actor,
      nullif(jsonb_strip_nulls(jsonb_build_object('rule', p_rule)), '{}')
    );
    select * into v_batch from public.call_batches where id = p_batch.id;
    perform batchline.complete_batches(array[p_batch.id]);  -- a release may have skipped the last contact
  end if;
  return v_batch;
end;
$$;

-- What became of the dials: all results in one round trip, each row by itself, from dialing or unknown only.
-- p_results: [{"call_id", "result", "ultravox_call_id"?, "reason"?, "retry_after_seconds"?}], result as in
-- dial_result_is_known. Anything but plain acceptances may pause or fail batches or wake a call that was given up,
-- and so starts one lock higher, at the agency.
create or replace function batchline.settle_dials(p_results jsonb)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  v_agency record;
  v_settled int := 0;
begin
  for v_agency in
    select call.agency_id as id,
           jsonb_agg(to_jsonb(told) order by told.call_id) as results,
           array_agg(call.id) as call_ids,
           array_agg(distinct call.batch_id) as batch_ids,
           bool_or(told.result <> 'accepted' or call.status = 'not_placed') as needs_agency,
           bool_or(told.result = 'account_refused') as pauses_all
    from jsonb_to_recordset(p_results) as told (
      call_id uuid, result text, ultravox_call_id uuid, reason text, retry_after_seconds double precision
    )
    join public.calls as call on call.id = told.call_id
    group by call.agency_id
    order by call.agency_id
  loop
    if v_agency.needs_agency then
      perform batchline.lock_agency(v_agency.id);
    end if;
    if v_agency.pauses_all then  -- all at once: a second helping of locks could meet somebody else's the other way round
      v_agency.batch_ids := v_agency.batch_ids || array(
        select id from public.call_batches where agency_id = v_agency.id and status = 'processing'
      );
    end if;
    perform batchline.lock_batches(v_agency.batch_ids);
    if not v_agency.needs_agency then
      perform batchline.refuse_given_up(v_agency.call_ids);
    end if;
    v_settled := v_settled + batchline.settle_locked(v_agency.id, v_agency.results);
    if v_agency.needs_agency then
      perform batchline.trip_breaker(batch)
      from public.call_batches as batch
      where id = any (v_agency.batch_ids) and status = 'processing';
    end if;
    perform batchline.complete_batches(v_agency.batch_ids);
  end loop;
  return jsonb_build_object('settled', v_settled);
end;
$$;

-- dialing -> unknown. p_dial_result is what the dial itself was told: of a worker that stopped, nothing.
create or replace function batchline.mark_unknown(p_call public.calls, p_reason text, p_dial_result text default null)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  update public.calls
  set status = 'unknown', claimed_until = null, unknown_at = batchline.clock(), dial_result = p_dial_result,
      reason = p_reason
  where id = p_call.id and status = 'dialing';
  if found then
    perform batchline.log_call_event(p_call, 'unknown', p_reason);
  end if;
end;
$$;

-- The provider refuses the agency's account: nothing of this agency can be dialled until somebody acts.
create or replace function batchline.pause_agency(p_agency_id uuid, p_reason text)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  for v_batch in
    select * from public.call_batches
    where agency_id = p_agency_id and status = 'processing' order by id for no key update
  loop
    perform batchline.pause_batch(v_batch, p_reason, p_rule => 'account_refused');
  end loop;
end;
$$;

-- One result. True where it changed anything.
create or replace function batchline.settle_dial(
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

-- The circuit breaker: of the last 10 dials of the batch, since it was started or resumed and at most 30 minutes old,
-- more than half came to nothing for a reason that the next dial would meet too. What the provider throttles, and what
-- we did not send in time, says nothing of that kind and is passed over; so is a dial whose worker stopped.
-- The agency and the batch are locked.
create or replace function batchline.trip_breaker(p_batch public.call_batches)
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

-- The provider's call was stored as somebody else's before we knew that it is this one (an event without our metadata):
-- that row goes, and what it knew is answered. Its events stay, under the provider's id.
create or replace function batchline.absorb_import(p_agency_id uuid, p_ultravox_call_id uuid)
returns jsonb
language sql volatile set search_path = ''
as $$
  delete from public.calls
  where agency_id = p_agency_id and ultravox_call_id = p_ultravox_call_id and contact_id is null
  returning raw;
$$;

-- The provider has taken the call: -> ringing, from dialing or unknown, and from not_placed where that is still
-- possible (late knowledge). Locks of the batch are held; those of the agency too where the call is not_placed.
create or replace function batchline.accept_call(p_call public.calls, p_ultravox_call_id uuid, p_event text)
returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_known jsonb;
begin
  if p_call.ultravox_call_id <> p_ultravox_call_id then
    perform batchline.log_late_acceptance(p_call, p_ultravox_call_id, 'The provider has a second call for this one');
    return false;
  elsif p_call.status not in ('dialing', 'unknown', 'not_placed') then
    return false;
  elsif batchline.is_id_of_another(p_call, p_ultravox_call_id) then
    perform batchline.log_late_acceptance(
      p_call, p_ultravox_call_id, 'The provider gave this call the id of another of our calls'
    );
    perform batchline.mark_unknown(p_call, 'The provider gave this call the id of another of our calls', 'unknown');
    return false;
  elsif p_call.status = 'not_placed' and not batchline.revive_contact(p_call, 'The provider has the call after all') then
    perform batchline.log_late_acceptance(
      p_call, p_ultravox_call_id, 'The provider has a call that we had taken for not placed'
    );
    return false;
  end if;
  v_known := batchline.absorb_import(p_call.agency_id, p_ultravox_call_id);
  perform batchline.accept_calls(array[p_call.id], array[p_ultravox_call_id], p_event);
  if v_known is not null then
    perform batchline.advance_call(call, v_known, 'import') from public.calls as call where call.id = p_call.id;
  end if;
  return true;
end;
$$;

-- A worker that had been taken for dead has dialled after all and does not know with what result: its POST may have left
-- after the provider was asked. The questions begin anew; where the contact can no longer be taken back, somebody may
-- have been called twice.
create or replace function batchline.doubt_call(p_call public.calls, p_reason text)
returns boolean
language plpgsql volatile set search_path = ''
as $$
begin
  if p_call.began_at is null or p_call.dial_result is not null or p_call.status not in ('unknown', 'not_placed') then
    return false;
  elsif p_call.status = 'not_placed'
    and not batchline.revive_contact(p_call, 'The provider may have the call after all') then
    perform batchline.log_late_acceptance(p_call, null, 'It was dialled after the provider had denied it: ' || p_reason);
    return false;
  end if;
  update public.calls
  set status = 'unknown', unknown_at = batchline.clock(), asked_at = null, none_at = null, dial_result = 'unknown',
      reason = p_reason
  where id = p_call.id;
  perform batchline.log_call_event(p_call, 'unknown', p_reason);
  return true;
end;
$$;

create or replace function batchline.is_id_of_another(p_call public.calls, p_ultravox_call_id uuid)
returns boolean
language sql stable set search_path = ''
as $$
  select exists (
    select from public.calls
    where agency_id = p_call.agency_id and ultravox_call_id = p_ultravox_call_id
      and contact_id is not null and id <> p_call.id
  );
$$;

-- Somebody may have been called who should not have been: an alarm, once for each call of the provider's; once where its
-- id is not known.
create or replace function batchline.log_late_acceptance(p_call public.calls, p_ultravox_call_id uuid, p_reason text)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if not exists (
    select from public.call_events
    where call_id = p_call.id and event = 'late_acceptance'
      and detail ->> 'ultravox_call_id' is not distinct from p_ultravox_call_id::text
  ) then
    perform batchline.log_call_event(
      p_call, 'late_acceptance', p_reason, jsonb_build_object('ultravox_call_id', p_ultravox_call_id)
    );
  end if;
end;
$$;

-- Late knowledge: the contact follows its call back, with the attempt counted, where nobody else is being called at its
-- number and it is not done with: a contact that has had a later call is taken back from the queue, but not from its
-- end. The agency's lock keeps the claim away from the contact and its number.
create or replace function batchline.revive_contact(p_call public.calls, p_reason text)
returns boolean
language plpgsql volatile set search_path = ''
as $$
begin
  if exists (
    select from public.calls
    where agency_id = p_call.agency_id and to_number = p_call.to_number and is_live
  ) then
    return false;
  end if;
  update public.campaign_contacts as contact
  set status = 'in_progress',
      call_id = p_call.id,
      attempts = least(  -- that of a refused number still counts
        contact.attempts + (p_call.dial_result is distinct from 'number_refused')::int, contact.max_attempts
      ),
      next_attempt_at = null,
      completed_at = null,
      outcome = null,
      outcome_notes = null,
      reason = p_reason,
      reason_at = batchline.clock()
  from public.call_batches as batch
  where contact.id = p_call.contact_id
    and (contact.status = 'queued' or contact.status in ('skipped', 'failed') and contact.call_id = p_call.id)
    and batch.id = contact.batch_id
    and batch.status <> 'completed';
  return found;
end;
$$;

-- Results of one agency's calls, whose batches are locked. Nearly all are acceptances of calls of which nothing else is
-- known yet, with an id that no other row has: those in one statement, the others one by one.
create or replace function batchline.settle_locked(p_agency_id uuid, p_results jsonb)
returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_plain uuid[];
  v_ultravox_call_ids uuid[];
begin
  select coalesce(array_agg(told.call_id), '{}'), coalesce(array_agg(told.ultravox_call_id), '{}')
  into v_plain, v_ultravox_call_ids
  from (
    select distinct on (ultravox_call_id) call_id, ultravox_call_id
    from jsonb_to_recordset(p_results) as result (call_id uuid, result text, ultravox_call_id uuid)
    where result = 'accepted'
    order by ultravox_call_id, call_id
  ) as told
  join public.calls as call on call.id = told.call_id
  where call.status in ('dialing', 'unknown') and call.ultravox_call_id is null
    and not exists (
      select from public.calls as other
      where other.agency_id = p_agency_id and other.ultravox_call_id = told.ultravox_call_id
    );

  return batchline.accept_calls(v_plain, v_ultravox_call_ids, 'accepted') + (
    select count(*) filter (
      where batchline.settle_dial(call_id, result, ultravox_call_id, reason, retry_after_seconds)
    )
    from jsonb_to_recordset(p_results) as told (
      call_id uuid, result text, ultravox_call_id uuid, reason text, retry_after_seconds double precision
    )
    where told.call_id <> all (v_plain)
  );
end;
$$;

-- Moves a call of ours forward to where the payload has it, and its contact with it. Batch and call are locked.
create or replace function batchline.advance_call(p_call public.calls, p_data jsonb, p_source text)
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

-- ringing, answered, unknown -> ended, and what that means for the contact and its batch.
create or replace function batchline.end_call(p_call_id uuid, p_outcome text, p_ended_at timestamptz, p_reason text)
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

-- What became of a call that we had given up: its outcome, and its contact's, are what the provider says after all.
-- The contact stays final: it is not called again for it.
create or replace function batchline.learn_ending(p_call public.calls, p_data jsonb)
returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_ultravox_call_id uuid := (p_data ->> 'callId')::uuid;
  v_outcome text := batchline.call_outcome(p_data);
  v_known jsonb;
  v_call public.calls;
begin
  if p_call.ultravox_call_id <> v_ultravox_call_id or batchline.is_id_of_another(p_call, v_ultravox_call_id) then
    return false;
  end if;
  v_known := batchline.absorb_import(p_call.agency_id, v_ultravox_call_id);
  update public.calls
  set ultravox_call_id = v_ultravox_call_id, outcome = v_outcome, ended_at = (p_data ->> 'ended')::timestamptz,
      reason = p_data ->> 'endReason', news_at = batchline.clock()
  where id = p_call.id;
  perform batchline.fill_call(p_call.id, p_data), batchline.fill_call(p_call.id, v_known);
  select * into v_call from public.calls where id = p_call.id;
  perform batchline.log_call_event(v_call, 'ended', v_call.reason, jsonb_build_object('outcome', v_outcome));
  update public.campaign_contacts
  set status = case v_outcome when 'answered' then 'completed' else 'failed' end,
      outcome = v_outcome,
      outcome_notes = batchline.outcome_note(v_outcome),
      duration_seconds = case v_outcome when 'answered' then v_call.duration_seconds end,
      reason = batchline.outcome_note(v_outcome),
      reason_at = batchline.clock()
  where id = p_call.contact_id and call_id = p_call.id and status = 'failed' and outcome = 'unknown';
  return true;
end;
$$;

create or replace function batchline.outcome_note(p_outcome text)
returns text
language sql immutable set search_path = ''
as $$
  select case p_outcome
    when 'answered' then 'Answered'
    when 'no_answer' then 'No answer'
    when 'busy' then 'Busy'
    when 'rejected' then 'The call was rejected'
    when 'invalid_number' then 'The number cannot be called'
    when 'dropped' then 'The connection was lost just after the call was answered'
    when 'error' then 'The call could not be connected'
    when 'unknown' then 'We could not learn what became of this call; it was not dialled again.'
  end;
$$;

-- Which calls the provider is to be asked about now, and whose account is to be read again. Stamps asked_at, so that
-- two workers do not ask the same; a question whose worker died is asked again after p_ask_again_seconds. The stamp
-- goes with the question and comes back with its answer (record_none).
create or replace function batchline.claim_questions(
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

-- What the provider answered. p_answers: [{"call_id", "answer", "asked_at", …}] with, by answer,
-- found: "call", the provider's Call, which is applied;
-- none: "ultravox_call_id", if it was asked for by that; else "deleted", the ids of the calls that were deleted since this one began, and "deletes", whether the calls of its
-- agent delete themselves (record_none);
-- failed: "reason", why the provider could not be asked; it is asked again later.
create or replace function batchline.record_answers(p_answers jsonb, p_ask_again_seconds double precision)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_answer record;
  v_found int := 0;
  v_not_placed int := 0;
begin
  for v_answer in
    select answer.*, call.agency_id, call.batch_id
    from jsonb_to_recordset(p_answers) as answer (
      call_id uuid, answer text, asked_at timestamptz, call jsonb, ultravox_call_id uuid, deleted uuid[],
      deletes boolean, reason text
    )
    join public.calls as call on call.id = answer.call_id
    order by call.agency_id, call.batch_id, call.id
  loop
    perform batchline.lock_agency(v_answer.agency_id);  -- before any batch: a call found may be one that was given up
    if v_answer.answer = 'found' then
      perform batchline.apply_call(v_answer.agency_id, v_answer.call, 'lookup');
      v_found := v_found + 1;
    elsif v_answer.answer = 'none' then
      perform batchline.lock_batches(array[v_answer.batch_id]);
      v_not_placed := v_not_placed + batchline.record_none(
        v_answer.call_id, v_answer.ultravox_call_id, v_answer.asked_at, p_ask_again_seconds, v_answer.deleted,
        coalesce(v_answer.deletes, false)
      )::int;
      perform batchline.complete_batches(array[v_answer.batch_id]);
    else
      perform batchline.record_failed_question(v_answer.call_id, v_answer.reason);
    end if;
  end loop;
  return jsonb_build_object('found', v_found, 'not_placed', v_not_placed);
end;
$$;

-- The provider could not be asked: written down once per change of reason, not at every try.
create or replace function batchline.record_failed_question(p_call_id uuid, p_reason text)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_call public.calls;
begin
  select * into v_call from public.calls where id = p_call_id and is_live;
  if found and p_reason is distinct from (
    select reason from public.call_events where call_id = p_call_id and event = 'asked' order by id desc limit 1
  ) then
    perform batchline.log_call_event(v_call, 'asked', p_reason);
  end if;
end;
$$;

-- The provider knows of no such call. Of one that was asked for by the provider's id: it is gone, and its fate with it,
-- unless there was news since. Of an unknown one:
-- once is not enough, since a look-up may lag; said to two questions, the second put p_ask_again_seconds after the first
-- was answered, nothing was placed, unless the call may have been placed and deleted. True where nothing was placed.
create or replace function batchline.record_none(
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

-- Why a call that the provider no longer lists may have been placed all the same; null: it was not. What is left of a
-- deleted call carries none of our ids, so that any that is no other call we know of may be this one.
create or replace function batchline.why_perhaps_deleted(p_call public.calls, p_deleted uuid[], p_deletes boolean)
returns text
language sql stable set search_path = ''
as $$
  select case
    when p_deletes then 'The agent''s calls delete themselves, so the provider cannot tell whether it was placed'
    when exists (
      select from unnest(p_deleted) as deleted (id)
      where not exists (
        select from public.calls
        where agency_id = p_call.agency_id and ultravox_call_id = deleted.id and id <> p_call.id
      )
    ) then 'A call was deleted at the provider that may be this one'
  end;
$$;

revoke all on function
  batchline.absorb_import(uuid, uuid),
  batchline.doubt_call(public.calls, text),
  batchline.is_id_of_another(public.calls, uuid),
  batchline.learn_ending(public.calls, jsonb),
  batchline.log_batch_event(public.call_batches, text, text, uuid, jsonb),
  batchline.mark_unknown(public.calls, text, text),
  batchline.pause_batch(public.call_batches, text, uuid, text),
  batchline.record_failed_question(uuid, text),
  batchline.record_none(uuid, uuid, timestamptz, double precision, uuid[], boolean),
  batchline.revive_contact(public.calls, text),
  batchline.settle_locked(uuid, jsonb),
  batchline.trip_breaker(public.call_batches),
  batchline.why_perhaps_deleted(public.calls, uuid[], boolean)
from public, anon, authenticated;
grant execute on function
  batchline.absorb_import(uuid, uuid),
  batchline.doubt_call(public.calls, text),
  batchline.is_id_of_another(public.calls, uuid),
  batchline.learn_ending(public.calls, jsonb),
  batchline.log_batch_event(public.call_batches, text, text, uuid, jsonb),
  batchline.mark_unknown(public.calls, text, text),
  batchline.pause_batch(public.call_batches, text, uuid, text),
  batchline.record_failed_question(uuid, text),
  batchline.record_none(uuid, uuid, timestamptz, double precision, uuid[], boolean),
  batchline.revive_contact(public.calls, text),
  batchline.settle_locked(uuid, jsonb),
  batchline.trip_breaker(public.call_batches),
  batchline.why_perhaps_deleted(public.calls, uuid[], boolean)
to service_role;
