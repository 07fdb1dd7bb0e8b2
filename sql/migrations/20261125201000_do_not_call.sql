-- Do-not-call over HTTP and during calls, campaigns, the end of a batch, and what becomes inactive.
alter table public.do_not_call
  add column call_id uuid references public.calls (id) on delete set null,
  add column id bigint generated always as identity;
create index do_not_call_newest_idx on public.do_not_call (agency_id, id desc);
create index do_not_call_call_idx on public.do_not_call (call_id);
revoke all on sequence public.do_not_call_id_seq from anon, authenticated;

alter table public.call_batches
  add column ends_at timestamptz,
  add constraint scheduled_before_its_end check (status <> 'scheduled' or scheduled_for < ends_at);
create index call_batches_ending_idx on public.call_batches (agency_id, ends_at)
  where status in ('processing', 'paused') and ends_at is not null;

create or replace view public.v_call_batch_summary with (security_invoker = true) as
select
  batch.id,
  batch.agency_id,
  batch.campaign_id,
  campaign.name as campaign_name,
  batch.agent_mapping_id,
  agent.name as agent_name,
  batch.name,
  batch.from_number,
  batch.status,
  batch.total_contacts,
  batch.pending,
  batch.queued,
  batch.in_progress,
  batch.completed,
  batch.failed,
  batch.skipped,
  case
    when batch.total_contacts = 0 then 0.0
    else round(100.0 * (batch.completed + batch.failed + batch.skipped) / batch.total_contacts, 1)
  end as progress_percentage,
  batch.total_contacts - (batch.completed + batch.failed + batch.skipped) as remaining_count,
  batch.calls_per_minute,
  batch.max_concurrent,
  batch.scheduled_for,
  batch.waiting_until,
  batch.error_message,
  batch.created_by,
  batch.created_at,
  batch.started_at,
  batch.paused_at,
  batch.completed_at,
  batch.ends_at
from public.call_batches as batch
join public.agent_mappings as agent on agent.id = batch.agent_mapping_id
left join public.campaigns as campaign on campaign.id = batch.campaign_id;

-- A batch as every answer shows it.
create or replace function public.batch_json(p_batch public.v_call_batch_summary)
returns jsonb
language sql stable set search_path = ''
as $$
  select to_jsonb(p_batch) || jsonb_build_object(
    'scheduled_for', public.iso_utc(p_batch.scheduled_for),
    'waiting_until', public.iso_utc(p_batch.waiting_until),
    'created_at', public.iso_utc(p_batch.created_at),
    'started_at', public.iso_utc(p_batch.started_at),
    'paused_at', public.iso_utc(p_batch.paused_at),
    'completed_at', public.iso_utc(p_batch.completed_at),
    'ends_at', public.iso_utc(p_batch.ends_at)
  );
$$;

-- Newest first. A cursor is the id of the last number shown, so that every page costs the same.
create or replace function public.list_do_not_call(p_limit int, p_cursor bigint)
returns jsonb
language plpgsql stable
set search_path = '' set enable_seqscan = off set enable_sort = off set plan_cache_mode = force_custom_plan set jit = off
as $$
declare
  v_agency_id uuid := public.my_agency_id();
  v_numbers jsonb;
  v_last bigint;
  v_more boolean;
begin
  -- One number more than the page: whether there is more is then known without a second look.
  select coalesce(
           jsonb_agg(
             jsonb_build_object(
               'phone_number', found.phone_number,
               'reason', found.reason,
               'added_by', found.added_by,
               'call_id', found.call_id,
               'created_at', public.iso_utc(found.created_at)
             )
             order by found.id desc
           ) filter (where found.place <= p_limit),
           '[]'
         ),
         min(found.id) filter (where found.place <= p_limit),
         coalesce(bool_or(found.place > p_limit), false)
  into v_numbers, v_last, v_more
  from (
    select page.*, row_number() over (order by page.id desc) as place
    from (
      select * from public.do_not_call
      where agency_id = v_agency_id and (p_cursor is null or id < p_cursor)
      order by id desc
      limit p_limit + 1
    ) as page
  ) as found;

  return jsonb_build_object(
    'numbers', v_numbers,
    'pagination', jsonb_build_object(
      'limit', p_limit, 'has_more', v_more, 'next_cursor', case when v_more then v_last::text end
    )
  );
end;
$$;

-- A campaign as every answer shows it. Of calling hours it says what it was given: null turns them off, and nothing
-- leaves them to the default.
create or replace function public.campaign_json(p_campaign public.campaigns)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_campaign.id,
    'name', p_campaign.name,
    'retry', p_campaign.retry,
    'created_by', p_campaign.created_by,
    'created_at', public.iso_utc(p_campaign.created_at)
  ) || case
    when p_campaign.calling_hours is null then '{}' else jsonb_build_object('calling_hours', p_campaign.calling_hours)
  end;
$$;

-- Newest first; same-instant campaigns by id too, so that paging never repeats or skips.
create or replace function public.list_campaigns(p_limit int, p_offset int)
returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_agency_id uuid := public.my_agency_id();
  v_total bigint := (select count(*) from public.campaigns where agency_id = v_agency_id);
  v_campaigns jsonb;
begin
  select coalesce(jsonb_agg(public.campaign_json(page) order by page.created_at desc, page.id desc), '[]')
  into v_campaigns
  from (
    select * from public.campaigns
    where agency_id = v_agency_id
    order by created_at desc, id desc
    limit p_limit offset p_offset
  ) as page;
  return jsonb_build_object(
    'campaigns', v_campaigns,
    'pagination', jsonb_build_object(
      'total', v_total,
      'limit', p_limit,
      'offset', p_offset,
      'has_more', p_offset + jsonb_array_length(v_campaigns) < v_total
    )
  );
end;
$$;

-- What the contacts of a batch are told that is closed, or whose time is over.
create or replace function batchline.closing_note(p_batch public.call_batches)
returns text
language sql immutable set search_path = ''
as $$
  select case p_batch.status
    when 'cancelled' then 'Batch cancelled'
    when 'failed' then 'Batch failed: ' || p_batch.error_message
    when 'completed' then 'Batch completed'
    else 'Batch ended'
  end;
$$;

-- The one place that puts a contact back after a call: queued, or final where nothing may follow.
-- p_counted says whether the attempt counts; it does not where nobody was certainly asked.
create or replace function batchline.requeue_contact(
  p_call public.calls, p_at timestamptz, p_counted boolean, p_reason text, p_outcome text default null
)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_batch public.call_batches;
  v_is_over boolean;
  v_status text;
  v_reason text := p_reason;
  v_rule text;
begin
  select * into v_batch from public.call_batches where id = p_call.batch_id;
  v_is_over := v_batch.status in ('completed', 'failed', 'cancelled') or coalesce(v_batch.ends_at <= v_now, false);

  select case
           when v_is_over or listed.phone_number is not null then 'skipped'
           when contact.attempts - (not p_counted)::int >= contact.max_attempts then 'failed'
           else 'queued'
         end,
         case
           when v_is_over then batchline.closing_note(v_batch)
           when listed.phone_number is not null then 'On the do-not-call list'
           else p_reason
         end,
         case
           when v_batch.status in ('completed', 'failed', 'cancelled') then null
           when v_is_over then 'ends_at'
           when listed.phone_number is not null then 'do_not_call'
         end
  into v_status, v_reason, v_rule
  from public.campaign_contacts as contact
  left join public.do_not_call as listed using (agency_id, phone_number)
  where contact.id = p_call.contact_id and contact.status = 'in_progress' and contact.call_id = p_call.id;
  if not found then
    return;
  end if;

  update public.campaign_contacts
  set status = v_status,
      attempts = attempts - (not p_counted)::int,
      next_attempt_at = case when v_status = 'queued' then p_at end,
      completed_at = case when v_status <> 'queued' then v_now end,
      outcome = coalesce(p_outcome, outcome),
      outcome_notes = case when v_status <> 'queued' then v_reason else outcome_notes end,
      reason = v_reason,
      reason_at = v_now
  where id = p_call.contact_id;

  perform batchline.log_call_event(
    p_call,
    case v_status when 'queued' then 'requeued' else v_status end,
    v_reason,
    case
      when v_status = 'queued' then jsonb_build_object('until', public.iso_utc(p_at))
      when v_rule is not null then jsonb_build_object('rule', v_rule)
    end
  );
end;
$$;

-- pending, queued -> skipped: all of a batch that is closed or over. What is claimed is released before.
create or replace function batchline.skip_waiting(p_batch public.call_batches, p_note text, p_detail jsonb default null)
returns void
language sql volatile set search_path = ''
as $$
  with skipped as (
    update public.campaign_contacts
    set status = 'skipped',
        next_attempt_at = null,
        completed_at = now.at,
        outcome_notes = p_note,
        reason = p_note,
        reason_at = now.at
    from (select batchline.clock() as at) as now
    where batch_id = p_batch.id and status in ('pending', 'queued')
    returning id, completed_at
  )
  insert into public.call_events (agency_id, batch_id, contact_id, event, reason, detail, at)
  select p_batch.agency_id, p_batch.id, id, 'skipped', p_note, p_detail, completed_at from skipped;
$$;

-- When a batch is to end; null: when everybody has been called. p_start_at: null is now.
create or replace function batchline.end_time(p_time timestamptz, p_start_at timestamptz)
returns timestamptz
language plpgsql volatile set search_path = ''
as $$
begin
  if p_time <= coalesce(p_start_at, batchline.clock()) then
    perform batchline.refuse(400, 'bad_request', 'ends_at must lie after the start', '{"field": "ends_at"}');
  end if;
  return p_time;
end;
$$;

-- Why a batch can dial nothing until somebody acts, as a sentence that says what to do; null where it can.
create or replace function batchline.what_is_inactive(p_batch public.call_batches)
returns text
language sql stable set search_path = ''
as $$
  select case
    when not exists (select from public.agent_mappings where id = p_batch.agent_mapping_id and active)
      then 'The agent of the batch is not active: activate it, then resume the batch'
    when not exists (
      select from public.agency_phone_numbers
      where agency_id = p_batch.agency_id and phone_number = p_batch.from_number and active
    )
      then 'The number that the batch calls from is not active: activate it, then resume the batch'
  end;
$$;

-- A batch that would start, or go on, only when its time is over is refused: it would end without a call.
create or replace function batchline.require_before_end(p_batch public.call_batches, p_start_at timestamptz)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if p_batch.ends_at <= p_start_at then
    perform batchline.refuse(
      400, 'batch_ended', 'The time of the batch is over (its ends_at does not lie after the start): create another one'
    );
  end if;
end;
$$;

create or replace function batchline.require_resumable(p_batch public.call_batches)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_inactive text := batchline.what_is_inactive(p_batch);
begin
  perform batchline.require_before_end(p_batch, batchline.clock());
  if v_inactive is not null then
    perform batchline.refuse(400, 'batch_not_resumable', v_inactive);
  end if;
end;
$$;

-- draft, scheduled -> pending, or -> scheduled where p_start_at is still to come; nothing is dialled before.
create or replace function batchline.execute_batch(p_batch public.call_batches, p_start_at timestamptz, p_actor uuid)
returns public.call_batches
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  perform batchline.require_before_end(p_batch, coalesce(p_start_at, batchline.clock()));
  update public.call_batches
  set status = case when p_start_at is null then 'pending' else 'scheduled' end, scheduled_for = p_start_at,
      edited_at = batchline.clock()
  where id = p_batch.id and status in ('draft', 'scheduled')
  returning * into v_batch;
  if found then
    perform batchline.log_batch_event(v_batch, 'executed', p_actor => p_actor);
  end if;
  return v_batch;
end;
$$;

-- One batch with its contacts, in one transaction. The contacts come normalised, valid and without duplicates.
create or replace function batchline.create_call_batch(p_user_id uuid, p_batch jsonb, p_once jsonb default null)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_answer jsonb := batchline.recall_answer(v_user.agency_id, 'calls-batch-create', p_once);
  v_start_at timestamptz;
  v_ends_at timestamptz;
  v_agency public.agencies;
  v_agent public.agent_mappings;
  v_campaign public.campaigns;
  v_hours jsonb;
  v_batch public.call_batches;
begin
  if v_answer is not null then
    return v_answer;
  end if;
  v_start_at := batchline.start_time((p_batch ->> 'scheduled_for')::timestamptz, 'scheduled_for');
  v_ends_at := batchline.end_time((p_batch ->> 'ends_at')::timestamptz, v_start_at);
  select * into v_agency from public.agencies where id = v_user.agency_id;
  v_agent := batchline.require_agent(v_agency.id, (p_batch ->> 'agent_mapping_id')::uuid);
  v_campaign := batchline.require_campaign(v_agency.id, (p_batch ->> 'campaign_id')::uuid);
  perform batchline.require_number(v_agency.id, p_batch ->> 'from_number');
  -- JSON's null turns the hours off; what is not there at all leaves them to the campaign, or the default.
  v_hours := nullif(
    coalesce(p_batch -> 'calling_hours', v_campaign.calling_hours, batchline.default_calling_hours()), 'null'
  );
  perform batchline.require_time_zone(nullif(v_hours ->> 'timezone', 'recipient'), 'calling_hours.timezone');
  perform batchline.require_pace(
    v_agency, (p_batch ->> 'calls_per_minute')::int, (p_batch ->> 'max_concurrent')::int
  );

  insert into public.call_batches (
    status, agency_id, campaign_id, agent_mapping_id, name, from_number, calls_per_minute, max_concurrent,
    calling_hours, retry, scheduled_for, ends_at, created_by
  )
  values (
    case when p_batch ->> 'status' = 'draft' then 'draft' when v_start_at is null then 'pending' else 'scheduled' end,
    v_agency.id, v_campaign.id, v_agent.id, p_batch ->> 'name', p_batch ->> 'from_number',
    (p_batch ->> 'calls_per_minute')::int, (p_batch ->> 'max_concurrent')::int,
    v_hours,
    batchline.default_retry()
      || coalesce(v_campaign.retry, '{}')
      || coalesce(nullif(p_batch -> 'retry', 'null'), '{}'),
    v_start_at, v_ends_at, v_user.id
  )
  returning * into v_batch;

  perform batchline.log_batch_event(v_batch, 'created', p_actor => v_user.id);
  perform batchline.add_contacts(v_batch, p_batch -> 'contacts', 'pending');
  return batchline.keep_answer(
    v_agency.id, 'calls-batch-create', p_once,
    batchline.created_batch_json(v_batch.id, coalesce((p_batch ->> 'duplicates_removed')::int, 0))
  );
end;
$$;

-- paused -> scheduled where it has not started and its time is still to come, else -> processing, and started properly.
create or replace function batchline.resume_call_batch(p_user_id uuid, p_batch_id uuid)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_batch public.call_batches := batchline.require_batch(v_user.agency_id, p_batch_id);
  v_now timestamptz := batchline.clock();
begin
  if v_batch.status = 'paused' then
    perform batchline.require_resumable(v_batch);
  end if;
  update public.call_batches
  set status = case when started_at is null and scheduled_for > v_now then 'scheduled' else 'processing' end,
      started_at = case when started_at is null and scheduled_for > v_now then null else coalesce(started_at, v_now) end,
      resumed_at = v_now,
      paused_at = null,
      error_message = null
  where id = p_batch_id and status = 'paused'
  returning * into v_batch;
  if not found then
    perform batchline.refuse(
      400, 'batch_not_paused', 'Batch is not paused (only paused batches can be resumed)'
    );
  end if;
  perform batchline.log_batch_event(v_batch, 'resumed', p_actor => v_user.id);
  if v_batch.status = 'processing' then
    perform batchline.start_contacts(p_batch_id);
    perform batchline.complete_batches(array[p_batch_id]);
  end if;
  return jsonb_build_object(
    'success', true,
    'batch_id', v_batch.id,
    'status', v_batch.status,
    'message', case v_batch.status
      when 'scheduled' then 'Batch scheduled to resume at ' || public.iso_utc(v_batch.scheduled_for)
      else 'Batch resumed. The processor will start making calls on the next run.'
    end
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
    perform batchline.skip_waiting(v_batch, v_note);
    select * into v_batch from public.call_batches where id = p_batch.id;
  end if;
  return v_batch;
end;
$$;

-- Who needs a worker now: a batch processing, due, or due within the minute until the next run, a paused one whose time
-- is over, or any live call, also of a paused, cancelled or failed batch.
create or replace function batchline.active_agencies(p_now timestamptz)
returns setof uuid
language sql stable set search_path = ''
as $$
  select agency_id
  from public.call_batches
  where status in ('pending', 'scheduled', 'processing')
    and (status <> 'scheduled' or scheduled_for <= p_now + interval '60 s')
  union
  select agency_id from public.call_batches where status in ('processing', 'paused') and ends_at <= p_now
  union
  select agency_id from public.calls where is_live;
$$;

-- Whose time is over: who is left is skipped, calls that go on end by themselves, and the batch completes with the last.
-- A paused batch ends too; one that was paused before its start counts as started, since completed means that.
-- Answers when the next one ends.
create or replace function batchline.end_call_batches(p_agency_id uuid, p_now timestamptz)
returns timestamptz
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  for v_batch in
    select * from public.call_batches
    where agency_id = p_agency_id and status in ('processing', 'paused') and ends_at <= p_now
    order by id
    for no key update
  loop
    update public.call_batches set started_at = p_now where id = v_batch.id and started_at is null;
    perform batchline.release_claimed(v_batch.id, 'Batch ended');
    perform batchline.skip_waiting(v_batch, 'Batch ended', '{"rule": "ends_at"}');
    perform batchline.complete_batches(array[v_batch.id]);
  end loop;
  return (
    select min(ends_at) from public.call_batches
    where agency_id = p_agency_id and status in ('processing', 'paused') and ends_at > p_now
  );
end;
$$;

-- An agent or a number was made inactive: its batches are paused. begin_dial looks too, so that nothing begins between.
create or replace function batchline.pause_inactive(p_agency_id uuid)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  for v_batch in
    select * from public.call_batches as batch
    where agency_id = p_agency_id and status = 'processing' and batchline.what_is_inactive(batch) is not null
    order by id
    for no key update
  loop
    perform batchline.pause_batch(v_batch, batchline.what_is_inactive(v_batch), p_rule => 'inactive');
  end loop;
end;
$$;

-- What the clock decides of an agency's batches: pending and due, scheduled and due -> processing; what can dial no
-- more is paused, what is over ends. Answers when the next one starts or ends. The agency is locked.
create or replace function batchline.start_call_batches(p_agency_id uuid)
returns timestamptz
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_batch public.call_batches;
begin
  for v_batch in
    select * from public.call_batches
    where agency_id = p_agency_id and status in ('pending', 'scheduled')
      and (scheduled_for is null or scheduled_for <= v_now)
    order by id
    for no key update
  loop
    update public.call_batches
    set status = 'processing', started_at = v_now, resumed_at = v_now
    where id = v_batch.id;
    perform batchline.log_batch_event(v_batch, 'started');
    perform batchline.start_contacts(v_batch.id);
    perform batchline.complete_batches(array[v_batch.id]);
  end loop;
  perform batchline.pause_inactive(p_agency_id);
  return least(
    batchline.end_call_batches(p_agency_id, v_now),
    (select min(scheduled_for) from public.call_batches where agency_id = p_agency_id and status = 'scheduled')
  );
end;
$$;

-- Moves contacts that a rule about their number forbids to dial out of the way of those behind them: to the time from
-- which they may be, or to skipped where they never may. The reason is told once, not at every turn.
create or replace function batchline.set_aside(p_agency_id uuid, p_held jsonb, p_now timestamptz)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if p_held is null then
    return;
  end if;
  -- Contacts come after their batches: a webhook may hold a batch and wait for one of these.
  perform batchline.lock_batches(array(select distinct (held ->> 'batch_id')::uuid from jsonb_array_elements(p_held) as held));
  with held as materialized (
    select contact.id, contact.batch_id, contact.reason as reason_before, batchline.hold_reason(one.rule) as reason,
           one.rule, one.until
    from jsonb_to_recordset(p_held) as one (contact_id uuid, rule text, until timestamptz)
    join public.campaign_contacts as contact on contact.id = one.contact_id and contact.status = 'queued'
  ),
  moved as (
    update public.campaign_contacts as contact
    set status = case when held.until is null then 'skipped' else 'queued' end,
        next_attempt_at = held.until,
        completed_at = case when held.until is null then p_now end,
        outcome_notes = case when held.until is null then held.reason else contact.outcome_notes end,
        reason_at = case when held.reason is distinct from held.reason_before then p_now else contact.reason_at end,
        reason = held.reason
    from held
    where contact.id = held.id
    returning contact.id
  )
  insert into public.call_events (agency_id, batch_id, contact_id, event, reason, detail)
  select p_agency_id, held.batch_id, held.id, case when held.until is null then 'skipped' else 'deferred' end, held.reason,
         jsonb_strip_nulls(jsonb_build_object('rule', held.rule, 'until', public.iso_utc(held.until)))
  from held
  join moved using (id)
  where held.reason is distinct from held.reason_before;
  perform batchline.complete_batches(  -- the last one may have been skipped
    array(select distinct (held ->> 'batch_id')::uuid from jsonb_array_elements(p_held) as held)
  );
end;
$$;

-- Null where the call may begin. The claim has looked a moment ago which hours are open: its notes serve here.
create or replace function batchline.why_not_begun(p_call public.calls, p_now timestamptz)
returns text
language sql stable set search_path = ''
as $$
  select case
    when p_call.claimed_until <= p_now then 'the lease was over'
    when batch.status <> 'processing' then 'the batch is ' || batch.status
    when batch.ends_at <= p_now then 'the batch has ended'
    when batchline.what_is_inactive(batch) is not null then 'the agent or the number of the batch is not active'
    when hold.rule = 'do_not_call' then 'the number is on the do-not-call list'
    when hold.rule is not null then 'the number was called too often or too lately'
    when batch.calling_hours is not null and (
      select count(*)
      from public.call_batch_zones as zone
      where zone.batch_id = batch.id and zone.time_zones = contact.time_zones
        and zone.opens_at <= p_now and zone.closes_at > p_now
    ) = 0 then 'calling hours are over'
  end
  from public.call_batches as batch
  join public.agencies as agency on agency.id = batch.agency_id
  join public.campaign_contacts as contact on contact.id = p_call.contact_id
  cross join lateral batchline.number_hold(agency, p_call.to_number, batch.id, p_now, p_call.id) as hold
  where batch.id = p_call.batch_id;
$$;

-- What is given is changed: the name until the end, the rest while the batch is a draft or scheduled.
-- draft <-> scheduled, draft, scheduled -> pending.
create or replace function batchline.update_batch_call(
  p_api_key text, p_secret_hash text, p_batch_id uuid, p_changes jsonb
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_key public.api_keys := batchline.require_api_key(p_api_key, p_secret_hash, true);
  v_batch public.call_batches := batchline.require_batch_call(v_key.agency_id, p_batch_id);
  v_new public.call_batches := jsonb_populate_record(v_batch, p_changes - '{status,send_now}'::text[]);
  v_send_now boolean := coalesce((p_changes ->> 'send_now')::boolean, false);
begin
  if v_batch.status in ('completed', 'failed', 'cancelled') then
    perform batchline.refuse(400, 'batch_call_final', 'Batch call has ended and cannot be changed');
  elsif v_batch.status not in ('draft', 'scheduled') and p_changes - 'name' <> '{}' then
    perform batchline.refuse(400, 'batch_call_started', 'Batch call has started: only its name can be changed');
  end if;
  if p_changes ? 'agent_mapping_id' then
    perform batchline.require_agent(v_key.agency_id, v_new.agent_mapping_id, 'agent_id');
  end if;
  perform batchline.require_time_zone(p_changes ->> 'timezone', 'timezone');
  if p_changes ?| '{status,scheduled_for,send_now}' then
    select start.status, start.start_at into v_new.status, v_new.scheduled_for
    from batchline.batch_call_start(
      coalesce(p_changes ->> 'status', case when not v_send_now then v_batch.status end),
      v_new.scheduled_for, v_send_now
    ) as start;
    if v_new.status <> 'draft' then
      perform batchline.require_before_end(v_batch, coalesce(v_new.scheduled_for, batchline.clock()));
    end if;
  end if;

  update public.call_batches
  set status = v_new.status, name = v_new.name, scheduled_for = v_new.scheduled_for, timezone = v_new.timezone,
      agent_mapping_id = v_new.agent_mapping_id, edited_at = batchline.clock()
  where id = p_batch_id and status = v_batch.status
  returning * into v_batch;
  perform batchline.log_batch_event(v_batch, 'edited', 'API key ' || v_key.name, v_key.created_by);
  return batchline.batch_call_json(v_batch);
end;
$$;

-- The batches in which somebody at one of these numbers waits or is being called. Each number is looked up by itself
-- (offset 0): joined as a whole, a planner without statistics reads all contacts and calls of the agency.
create or replace function batchline.batches_waiting_for(p_agency_id uuid, p_phone_numbers text[])
returns uuid[]
language sql stable set search_path = ''
as $$
  select coalesce(array_agg(distinct found.batch_id), '{}')
  from unnest(p_phone_numbers) as named (phone_number)
  cross join lateral (
    select contact.batch_id from public.campaign_contacts as contact
    where contact.agency_id = p_agency_id and contact.phone_number = named.phone_number
      and contact.status in ('pending', 'queued')
    union all
    select call.batch_id from public.calls as call
    where call.agency_id = p_agency_id and call.to_number = named.phone_number and call.is_live
    offset 0
  ) as found;
$$;

-- pending, queued -> skipped: who waits at numbers that are on the do-not-call list from now on.
create or replace function batchline.skip_numbers(p_agency_id uuid, p_phone_numbers text[], p_actor uuid, p_call_id uuid)
returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_note constant text := 'On the do-not-call list';
  v_ids uuid[];
  v_skipped int;
begin
  v_ids := array(
    select waiting.id
    from unnest(p_phone_numbers) as listed (phone_number)
    cross join lateral (
      select contact.id from public.campaign_contacts as contact
      where contact.agency_id = p_agency_id and contact.phone_number = listed.phone_number
        and contact.status in ('pending', 'queued')
      offset 0
    ) as waiting
  );
  with skipped as (
    update public.campaign_contacts as contact
    set status = 'skipped',
        next_attempt_at = null,
        completed_at = v_now,
        outcome_notes = v_note,
        reason = v_note,
        reason_at = v_now
    where contact.id = any (v_ids) and contact.status in ('pending', 'queued')
    returning contact.id, contact.batch_id
  )
  insert into public.call_events (agency_id, batch_id, contact_id, event, reason, detail, actor, at)
  select p_agency_id, batch_id, id, 'skipped', v_note,
         jsonb_strip_nulls(jsonb_build_object('rule', 'do_not_call', 'asked_in_call', p_call_id)), p_actor, v_now
  from skipped;
  get diagnostics v_skipped = row_count;
  return v_skipped;
end;
$$;

-- Puts numbers on an agency's do-not-call list and takes who waits at them out of all its batches; what is claimed is
-- released before. After the commit no call to them begins: begin_dial waits for the same lock, then reads the list.
-- The batches of live calls are locked too. Webhooks put contacts back under the batch's lock alone: so they either have
-- done it by now, or read the list. The numbers come without repeats. Planned anew each time, as dial_room is.
create or replace function batchline.forbid_numbers(
  p_agency_id uuid, p_phone_numbers text[], p_reason text, p_actor uuid default null, p_call_id uuid default null
)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
set plan_cache_mode = force_custom_plan
as $$
declare
  v_now timestamptz;
  v_batches uuid[];
  v_call public.calls;
  v_added int;
  v_skipped int;
begin
  perform batchline.lock_agency(p_agency_id);
  v_batches := batchline.batches_waiting_for(p_agency_id, p_phone_numbers);
  perform batchline.lock_batches(v_batches);
  v_now := batchline.clock();
  for v_call in
    select * from public.calls
    where status = 'claimed' and id = any (array(
      select live.id
      from unnest(p_phone_numbers) as forbidden (phone_number)
      cross join lateral (
        select call.id from public.calls as call
        where call.agency_id = p_agency_id and call.to_number = forbidden.phone_number and call.is_live
        offset 0
      ) as live
    ))
    order by id
    for update
  loop
    perform batchline.release_call(v_call, v_now, 'The number was put on the do-not-call list');
  end loop;

  insert into public.do_not_call (agency_id, phone_number, reason, added_by, call_id, created_at)
  select p_agency_id, forbidden.phone_number, p_reason, p_actor, p_call_id, v_now
  from unnest(p_phone_numbers) with ordinality as forbidden (phone_number, place)
  order by forbidden.place
  on conflict (agency_id, phone_number) do nothing;
  get diagnostics v_added = row_count;

  v_skipped := batchline.skip_numbers(p_agency_id, p_phone_numbers, p_actor, p_call_id);
  perform batchline.complete_batches(v_batches);
  return jsonb_build_object(
    'added', v_added, 'already_listed', cardinality(p_phone_numbers) - v_added, 'contacts_skipped', v_skipped
  );
end;
$$;

create or replace function batchline.add_to_do_not_call(
  p_user_id uuid, p_phone_numbers text[], p_reason text default null, p_once jsonb default null
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_answer jsonb := batchline.recall_answer(v_user.agency_id, 'do-not-call-add', p_once);
begin
  return coalesce(
    v_answer,
    batchline.keep_answer(
      v_user.agency_id, 'do-not-call-add', p_once,
      batchline.forbid_numbers(v_user.agency_id, p_phone_numbers, p_reason, v_user.id)
    )
  );
end;
$$;

-- From now on the numbers may be dialled again, by contacts that are added from now on: who was skipped stays skipped.
create or replace function batchline.remove_from_do_not_call(p_user_id uuid, p_phone_numbers text[])
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_removed int;
begin
  delete from public.do_not_call where agency_id = v_user.agency_id and phone_number = any (p_phone_numbers);
  get diagnostics v_removed = row_count;
  return jsonb_build_object('removed', v_removed);
end;
$$;

-- The person asked for it during a call, which the provider or we name. Only a call of ours says whom it was that we
-- called: an imported one may have been theirs to us. Repeated, it answers the same.
create or replace function batchline.opt_out(p_agency_id uuid, p_call_id uuid, p_metadata jsonb default null, p_reason text default null)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_call public.calls;
begin
  select * into v_call
  from public.calls
  where id = coalesce(
    batchline.match_call(p_agency_id, jsonb_build_object('callId', p_call_id, 'metadata', p_metadata)), p_call_id
  );
  if v_call.contact_id is null or v_call.agency_id <> p_agency_id then
    perform batchline.refuse(404, 'call_not_found', 'Call not found or does not belong to the agency');
  end if;
  perform batchline.forbid_numbers(
    p_agency_id, array[v_call.to_number], coalesce(p_reason, 'Asked for during a call'), p_call_id => v_call.id
  );
  return jsonb_build_object(
    'success', true,
    'message', 'Your number is on our do-not-call list now. We will not call you again.'
  );
end;
$$;

-- Calling hours that are not there at all are left to the default; JSON's null turns them off.
create or replace function batchline.create_campaign(p_user_id uuid, p_campaign jsonb, p_once jsonb default null)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_answer jsonb := batchline.recall_answer(v_user.agency_id, 'campaigns-create', p_once);
  v_campaign public.campaigns;
begin
  if v_answer is not null then
    return v_answer;
  end if;
  perform batchline.require_time_zone(
    nullif(p_campaign #>> '{calling_hours,timezone}', 'recipient'), 'calling_hours.timezone'
  );
  insert into public.campaigns (agency_id, name, calling_hours, retry, created_by)
  values (
    v_user.agency_id, p_campaign ->> 'name', p_campaign -> 'calling_hours', nullif(p_campaign -> 'retry', 'null'),
    v_user.id
  )
  returning * into v_campaign;
  return batchline.keep_answer(v_user.agency_id, 'campaigns-create', p_once, public.campaign_json(v_campaign));
end;
$$;

revoke all on function
  batchline.add_to_do_not_call(uuid, text[], text, jsonb),
  batchline.batches_waiting_for(uuid, text[]),
  batchline.create_campaign(uuid, jsonb, jsonb),
  batchline.end_call_batches(uuid, timestamptz),
  batchline.end_time(timestamptz, timestamptz),
  batchline.forbid_numbers(uuid, text[], text, uuid, uuid),
  batchline.opt_out(uuid, uuid, jsonb, text),
  batchline.pause_inactive(uuid),
  batchline.remove_from_do_not_call(uuid, text[]),
  batchline.require_before_end(public.call_batches, timestamptz),
  batchline.require_resumable(public.call_batches),
  batchline.skip_numbers(uuid, text[], uuid, uuid),
  batchline.skip_waiting(public.call_batches, text, jsonb),
  batchline.what_is_inactive(public.call_batches),
  public.campaign_json(public.campaigns),
  public.list_campaigns(int, int),
  public.list_do_not_call(int, bigint)
from public, anon, authenticated;
grant execute on function
  batchline.add_to_do_not_call(uuid, text[], text, jsonb),
  batchline.batches_waiting_for(uuid, text[]),
  batchline.create_campaign(uuid, jsonb, jsonb),
  batchline.end_call_batches(uuid, timestamptz),
  batchline.end_time(timestamptz, timestamptz),
  batchline.forbid_numbers(uuid, text[], text, uuid, uuid),
  batchline.opt_out(uuid, uuid, jsonb, text),
  batchline.pause_inactive(uuid),
  batchline.remove_from_do_not_call(uuid, text[]),
  batchline.require_before_end(public.call_batches, timestamptz),
  batchline.require_resumable(public.call_batches),
  batchline.skip_numbers(uuid, text[], uuid, uuid),
  batchline.skip_waiting(public.call_batches, text, jsonb),
  batchline.what_is_inactive(public.call_batches),
  public.campaign_json(public.campaigns),
  public.list_campaigns(int, int),
  public.list_do_not_call(int, bigint)
to service_role;
grant execute on function
  public.list_do_not_call(int, bigint), public.campaign_json(public.campaigns), public.list_campaigns(int, int)
to authenticated;
