-- What operators look at: the vitals that alarms read, a contact's trail, an event for each contact that is skipped. The
-- trail is append-only from here on.
set local lock_timeout = '4s';
set local statement_timeout = '30s';

create index call_events_whole_batch_idx on public.call_events (batch_id, id)
  where contact_id is null and batch_id is not null;
create index call_events_alarms_idx on public.call_events (at)
  where event in ('paused', 'throttled', 'late_acceptance');

-- Stores a list, in its order. Numbers on the do-not-call list are kept as skipped, so that the report is whole.
create or replace function batchline.add_contacts(p_batch public.call_batches, p_contacts jsonb, p_status text)
returns void
language sql volatile set search_path = ''
as $$
  with added as (
    insert into public.campaign_contacts (
      status, agency_id, batch_id, position, phone_number, first_name, last_name, email, company, title, timezone,
      custom_data, max_attempts, next_attempt_at, completed_at, reason, reason_at, outcome_notes
    )
    select
      case when listed.phone_number is null then p_status else 'skipped' end,
      p_batch.agency_id, p_batch.id, p_batch.total_contacts + listing.ordinality - 1,
      listing.contact ->> 'phone_number', listing.contact ->> 'first_name', listing.contact ->> 'last_name',
      listing.contact ->> 'email', listing.contact ->> 'company', listing.contact ->> 'title',
      listing.contact ->> 'timezone', coalesce(nullif(listing.contact -> 'custom_data', 'null'), '{}'),
      coalesce((listing.contact ->> 'max_attempts')::int, (p_batch.retry ->> 'max_attempts')::int),
      case when listed.phone_number is null and p_status = 'queued' then batchline.clock() end,
      case when listed.phone_number is not null then batchline.clock() end,
      case when listed.phone_number is not null then 'On the do-not-call list' end,
      case when listed.phone_number is not null then batchline.clock() end,
      case when listed.phone_number is not null then 'On the do-not-call list' end
    from jsonb_array_elements(p_contacts) with ordinality as listing (contact, ordinality)
    left join public.do_not_call as listed
      on listed.agency_id = p_batch.agency_id and listed.phone_number = listing.contact ->> 'phone_number'
    returning id, status, reason
  )
  insert into public.call_events (agency_id, batch_id, contact_id, event, reason)
  select p_batch.agency_id, p_batch.id, added.id, 'skipped', added.reason from added where added.status = 'skipped';
$$;

-- One batch with its contacts, in one transaction. The contacts come normalised, valid and without duplicates.
create or replace function batchline.create_call_batch(p_user_id uuid, p_batch jsonb)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_agency public.agencies;
  v_agent public.agent_mappings;
  v_campaign public.campaigns;
  v_batch public.call_batches;
begin
  select * into v_agency from public.agencies where id = v_user.agency_id;
  v_agent := batchline.require_agent(v_agency.id, (p_batch ->> 'agent_mapping_id')::uuid);
  v_campaign := batchline.require_campaign(v_agency.id, (p_batch ->> 'campaign_id')::uuid);
  perform batchline.require_number(v_agency.id, p_batch ->> 'from_number');
  perform batchline.require_pace(
    v_agency, (p_batch ->> 'calls_per_minute')::int, (p_batch ->> 'max_concurrent')::int
  );

  insert into public.call_batches (
    status, agency_id, campaign_id, agent_mapping_id, name, from_number, calls_per_minute, max_concurrent,
    retry, scheduled_for, created_by
  )
  values (
    case when p_batch ->> 'scheduled_for' is null then 'pending' else 'scheduled' end,
    v_agency.id, v_campaign.id, v_agent.id, p_batch ->> 'name', p_batch ->> 'from_number',
    (p_batch ->> 'calls_per_minute')::int, (p_batch ->> 'max_concurrent')::int,
    batchline.default_retry()
      || coalesce(v_campaign.retry, '{}')
      || coalesce(nullif(p_batch -> 'retry', 'null'), '{}'),
    (p_batch ->> 'scheduled_for')::timestamptz, v_user.id
  )
  returning * into v_batch;

  perform batchline.log_batch_event(v_batch, 'created', p_actor => v_user.id);
  perform batchline.add_contacts(v_batch, p_batch -> 'contacts', 'pending');
  select * into v_batch from public.call_batches where id = v_batch.id;

  return jsonb_build_object(
    'batch_id', v_batch.id,
    'status', v_batch.status,
    'total_contacts', v_batch.total_contacts,
    'duplicates_removed', coalesce((p_batch ->> 'duplicates_removed')::int, 0),
    'skipped', v_batch.skipped,
    'agent_mapping_id', v_agent.id,
    'agent_name', v_agent.name,
    'campaign_id', v_campaign.id,
    'campaign_name', v_campaign.name,
    'from_number', v_batch.from_number,
    'calls_per_minute', v_batch.calls_per_minute,
    'max_concurrent', v_batch.max_concurrent,
    'scheduled_for', public.iso_utc(v_batch.scheduled_for),
    'created_at', public.iso_utc(v_batch.created_at)
  );
end;
$$;

-- Any open state -> cancelled or failed. What waits is skipped, what is claimed is released (and so skipped too);
-- live calls end by themselves and still settle and count.
create or replace function batchline.close_batch(
  p_batch public.call_batches, p_status text, p_error_message text, p_actor uuid default null
)
returns public.call_batches
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_batch public.call_batches;
  v_note text;
begin
  update public.call_batches
  set status = p_status, completed_at = v_now, paused_at = null, waiting_until = null, error_message = p_error_message
  where id = p_batch.id and status not in ('completed', 'failed', 'cancelled')
  returning * into v_batch;
  if found then
    v_note := batchline.closing_note(v_batch);
    perform batchline.log_batch_event(v_batch, p_status, p_error_message, p_actor);
    perform batchline.release_claimed(p_batch.id, v_note);
    with skipped as (
      update public.campaign_contacts
      set status = 'skipped',
          next_attempt_at = null,
          completed_at = v_now,
          outcome_notes = v_note,
          reason = v_note,
          reason_at = v_now
      where batch_id = p_batch.id and status in ('pending', 'queued')
      returning id
    )
    insert into public.call_events (agency_id, batch_id, contact_id, event, reason, at)
    select v_batch.agency_id, v_batch.id, id, 'skipped', v_note, v_now from skipped;
    select * into v_batch from public.call_batches where id = p_batch.id;
  end if;
  return v_batch;
end;
$$;

-- A call as a trail shows it: its state and every time that was written down.
create or replace function batchline.call_json(p_call public.calls)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_call.id,
    'attempt', p_call.attempt,
    'status', p_call.status,
    'outcome', p_call.outcome,
    'reason', p_call.reason,
    'dial_result', p_call.dial_result,
    'ultravox_call_id', p_call.ultravox_call_id,
    'duration_seconds', p_call.duration_seconds,
    'max_duration_seconds', p_call.max_duration_seconds,
    'claimed_by', p_call.claimed_by,
    'claimed_at', public.iso_utc(p_call.claimed_at),
    'claimed_until', public.iso_utc(p_call.claimed_until),
    'began_at', public.iso_utc(p_call.began_at),
    'unknown_at', public.iso_utc(p_call.unknown_at),
    'asked_at', public.iso_utc(p_call.asked_at),
    'none_at', public.iso_utc(p_call.none_at),
    'accepted_at', public.iso_utc(p_call.accepted_at),
    'joined_at', public.iso_utc(p_call.joined_at),
    'ended_at', public.iso_utc(p_call.ended_at),
    'news_at', public.iso_utc(p_call.news_at)
  );
$$;

-- An event as a trail shows it; of what the provider told us, only what bears on the decision.
create or replace function batchline.event_json(p_event public.call_events)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_event.id,
    'at', public.iso_utc(p_event.at),
    'event', p_event.event,
    'reason', coalesce(p_event.reason, p_event.payload ->> 'endReason'),
    'detail', jsonb_strip_nulls(jsonb_build_object('ultravox_call_id', p_event.ultravox_call_id))
      || coalesce(p_event.detail, '{}'),
    'of_contact', p_event.contact_id is not null,  -- else of its whole batch
    'call_id', p_event.call_id,
    'actor', (select actor.email from public.users as actor where actor.id = p_event.actor)
  );
$$;

-- How the whole deployment is, or one agency: how it stands now, and what befell it in the last p_window_seconds, read
-- from partial indexes alone. Unsettled: claimed or begun, and nobody knows yet whether the provider has the call.
-- Asked in vain: nothing was learned by asking, half a minute after the question.
-- Planned anew each time: a plan made while there were few events would read all of them ever after. "offset 0" keeps
-- the agency out of the choice of an index, which might fall on all of its past.
create or replace function batchline.vitals(p_agency_id uuid default null, p_window_seconds int default 300)
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
  );
end;
$$;

-- One contact and its whole trail: where it stands, its calls, and every decision about it and its batch in the order
-- in which they were written. Null where there is no such contact (of that agency, where one is named).
-- Planned anew each time, as vitals is.
create or replace function batchline.contact_trail(p_contact_id uuid, p_agency_id uuid default null)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set jit = off
set plan_cache_mode = force_custom_plan
as $$
declare
  v_contact public.campaign_contacts;
begin
  select * into v_contact
  from public.campaign_contacts
  where id = p_contact_id and (p_agency_id is null or agency_id = p_agency_id);
  if not found then
    return null;
  end if;
  return jsonb_build_object(
    'now', public.iso_utc(batchline.clock()),
    'contact', public.contact_json(v_contact) || jsonb_build_object(
      'agency_id', v_contact.agency_id, 'batch_id', v_contact.batch_id
    ),
    'batch', (
      select jsonb_build_object(
        'id', batch.id, 'name', batch.name, 'status', batch.status, 'error_message', batch.error_message,
        'scheduled_for', public.iso_utc(batch.scheduled_for), 'waiting_until', public.iso_utc(batch.waiting_until),
        'agency_name', agency.name, 'dial_after', public.iso_utc(agency.dial_after)
      )
      from public.call_batches as batch
      join public.agencies as agency on agency.id = batch.agency_id
      where batch.id = v_contact.batch_id
    ),
    'calls', (
      select coalesce(jsonb_agg(batchline.call_json(call) order by call.claimed_at, call.id), '[]')
      from public.calls as call
      where call.contact_id = v_contact.id
    ),
    'events', (
      select coalesce(jsonb_agg(batchline.event_json(found.entry) order by (found.entry).id), '[]')
      from (
        select entry from public.call_events as entry where contact_id = v_contact.id
        union all
        select entry from public.call_events as entry where batch_id = v_contact.batch_id and contact_id is null
      ) as found
    )
  );
end;
$$;

-- The contacts that somebody may mean, newest first: the one with this id or of this call, or those with this number.
-- Each batch is asked by its unique key, since no index has the numbers of contacts that are done with.
create or replace function batchline.contacts_of(
  p_id uuid default null, p_phone_number text default null, p_agency_id uuid default null, p_limit int default 20
)
returns jsonb
language plpgsql stable
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
declare
  v_id uuid := coalesce((select contact_id from public.calls where id = p_id), p_id);
  v_batch record;
  v_found uuid[];
begin
  if p_phone_number is null then
    return (
      select coalesce(jsonb_agg(id), '[]')
      from public.campaign_contacts
      where id = v_id and (p_agency_id is null or agency_id = p_agency_id)
    );
  end if;
  for v_batch in
    select id from public.call_batches
    where p_agency_id is null or agency_id = p_agency_id
    order by created_at desc, id desc
  loop
    v_found := v_found || array(
      select id from public.campaign_contacts where batch_id = v_batch.id and phone_number = p_phone_number
    );
    exit when cardinality(v_found) >= p_limit;
  end loop;
  return coalesce(to_jsonb(v_found), '[]');
end;
$$;

revoke update, delete, truncate on public.call_events from service_role;
revoke all on function
  batchline.call_json(public.calls),
  batchline.event_json(public.call_events),
  batchline.vitals(uuid, int),
  batchline.contact_trail(uuid, uuid),
  batchline.contacts_of(uuid, text, uuid, int)
from public, anon, authenticated;
grant execute on function
  batchline.call_json(public.calls),
  batchline.event_json(public.call_events),
  batchline.vitals(uuid, int),
  batchline.contact_trail(uuid, uuid),
  batchline.contacts_of(uuid, text, uuid, int)
to service_role;
