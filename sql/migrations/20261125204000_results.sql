-- Results out, who did what, and forgetting a person.
alter table public.call_batches add column redial_of uuid references public.call_batches (id);
create index call_batches_redial_of_idx on public.call_batches (redial_of);
create index calls_imported_number_idx on public.calls (agency_id, to_number) where contact_id is null;

alter table public.campaign_contacts
  drop constraint contact_number_is_e164,
  add constraint contact_number_is_e164 check (phone_number ~ '^(\+[1-9][0-9]{6,14}|erased:[0-9a-f]{64})$'),
  add constraint erased_contact_is_final check (
    phone_number not like 'erased:%' or status in ('completed', 'failed', 'skipped')
  );

create table public.erasure_salts (
  agency_id uuid primary key references public.agencies (id),
  -- 244 random bits. Phone numbers are few: whoever has this can try them all, so nobody reads it but service_role.
  salt bytea not null default sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())),
  created_at timestamptz not null default batchline.clock()
);
comment on table public.erasure_salts is 'What makes the hash that stands for an erased number; made at an agency''s first erasure.';
create table public.erasures (
  id uuid primary key default gen_random_uuid(),
  agency_id uuid not null references public.agencies (id),
  number_hash text not null,
  created_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default batchline.clock(),
  changed jsonb not null,  -- how many rows of what
  constraint erased_number_is_a_hash check (number_hash ~ '^erased:[0-9a-f]{64}$')
);
comment on table public.erasures is 'Who was forgotten, as a hash, when, by whom, and how many rows that changed.';
create index erasures_number_idx on public.erasures (agency_id, number_hash, created_at);
create index erasures_created_by_idx on public.erasures (created_by);

create policy erasures_are_read_by_their_agency on public.erasures for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));
create policy erasure_salts_are_read_by_nobody on public.erasure_salts for select to authenticated
  using (false);
alter table public.erasures enable row level security;
alter table public.erasure_salts enable row level security;
revoke all on public.erasures, public.erasure_salts from anon, authenticated;
grant select, insert, update, delete on public.erasures, public.erasure_salts to service_role;
grant select on public.erasures to authenticated;

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
  batch.ends_at,
  batch.redial_of
from public.call_batches as batch
join public.agent_mappings as agent on agent.id = batch.agent_mapping_id
left join public.campaigns as campaign on campaign.id = batch.campaign_id;
drop function batchline.execute_batch(public.call_batches, timestamptz, uuid);

-- What befell a whole batch and who did it, oldest first: the latest 100 entries. What concerned one contact alone is in
-- that contact's trail.
create or replace function public.batch_history(p_batch_id uuid)
returns jsonb
language sql stable
set search_path = '' set enable_seqscan = off set jit = off
as $$
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'at', public.iso_utc(latest.at),
        'event', latest.event,
        'reason', latest.reason,
        'who', coalesce(
          latest.detail -> 'who',
          case when latest.actor is not null then
            jsonb_build_object('type', 'user', 'id', latest.actor, 'name', null, 'email', null)
          end
        )
      )
      order by latest.id
    ),
    '[]'
  )
  from (
    select id, at, event, reason, detail, actor
    from public.call_events
    where batch_id = p_batch_id and contact_id is null and batch_id is not null
    order by id desc
    limit 100
  ) as latest;
$$;

-- One batch, its history and a page of its contacts, in list order. A cursor is the position of the last contact shown, so that
-- every page costs the same; the total comes from the counters, not from a count.
create or replace function public.get_call_batch(
  p_batch_id uuid, p_contact_status text, p_contact_limit int, p_contact_offset int, p_contact_cursor bigint
)
returns jsonb
language plpgsql stable
set search_path = '' set enable_seqscan = off set enable_sort = off set plan_cache_mode = force_custom_plan set jit = off
as $$
declare
  v_agency_id uuid := public.my_agency_id();
  v_batch public.v_call_batch_summary;
  v_total int;
  v_contacts jsonb;
  v_last int;
  v_more boolean;
begin
  select * into v_batch from public.v_call_batch_summary where id = p_batch_id and agency_id = v_agency_id;
  if not found then
    raise exception using
      errcode = 'PT404',
      message = 'Batch not found or does not belong to the user''s agency',
      detail = '{"code": "batch_not_found"}';
  end if;
  v_total := coalesce((to_jsonb(v_batch) ->> p_contact_status)::int, v_batch.total_contacts);

  -- One contact more than the page: whether there is more is then known without a second look.
  select coalesce(
           jsonb_agg(public.contact_json(found.contact) order by found.place) filter (where found.place <= p_contact_limit),
           '[]'
         ),
         max((found.contact).position) filter (where found.place <= p_contact_limit),
         coalesce(bool_or(found.place > p_contact_limit), false)
  into v_contacts, v_last, v_more
  from (
    select page.contact, row_number() over (order by (page.contact).position) as place
    from (
      select contact
      from public.campaign_contacts as contact
      where batch_id = p_batch_id
        and (p_contact_status is null or status = p_contact_status)
        and position > coalesce(p_contact_cursor, -1)
      order by contact.position
      limit p_contact_limit + 1 offset case when p_contact_cursor is null then p_contact_offset else 0 end
    ) as page
  ) as found;

  return jsonb_build_object(
    'batch', public.batch_json(v_batch),
    'forecast', public.batch_forecast(p_batch_id, public.reading_time()),
    'history', public.batch_history(p_batch_id),
    'contacts', v_contacts,
    'contact_pagination', jsonb_build_object(
      'total', v_total,
      'limit', p_contact_limit,
      'offset', p_contact_offset,
      'has_more', v_more,
      'next_cursor', case when v_more then v_last::text end
    )
  );
end;
$$;

-- As export_contacts, one row for each call of the page's contacts that the provider may have been asked for.
create or replace function public.export_calls(p_batch_id uuid, p_after int, p_limit int)
returns jsonb
language sql stable
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set enable_sort = off set jit = off
as $$
  with page as materialized (
    select id, position, phone_number, first_name, last_name
    from public.campaign_contacts
    where batch_id = p_batch_id and position > p_after
    order by position
    limit p_limit
  )
  select jsonb_build_object(
    'rows', coalesce(
      (
        select jsonb_agg(
          jsonb_build_array(
            page.phone_number, page.first_name, page.last_name, call.attempt, call.status, call.outcome,
            public.iso_utc(call.began_at), public.iso_utc(call.joined_at), public.iso_utc(call.ended_at),
            call.duration_seconds, call.billed_duration_seconds, call.end_reason, call.reason, call.short_summary,
            call.summary, call.id, call.ultravox_call_id, page.id
          )
          order by page.position, call.began_at, call.id
        )
        from page
        join public.calls as call on call.contact_id = page.id
        -- Not "is not null": that would offer the index of begun calls, which without statistics is read from end to end.
        where coalesce(call.began_at, '-infinity') > '-infinity'
      ),
      '[]'
    ),
    'next', (select case when count(*) = p_limit then max(position) end from page)
  );
$$;

-- A page of a batch's contacts as rows of a table, in list order, those behind position p_after; `next` is the
-- position behind which the next page begins, null at the end. shared/results.py names the columns.
create or replace function public.export_contacts(p_batch_id uuid, p_after int, p_limit int)
returns jsonb
language sql stable
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set enable_sort = off set jit = off
as $$
  select jsonb_build_object(
    'rows', coalesce(
      jsonb_agg(
        jsonb_build_array(
          page.phone_number, page.first_name, page.last_name, page.email, page.company, page.title, page.timezone,
          page.status, page.outcome, page.outcome_notes, page.reason, page.attempts, page.max_attempts,
          public.iso_utc(page.last_attempt_at), public.iso_utc(page.next_attempt_at), public.iso_utc(page.completed_at),
          page.duration_seconds, call.summary, page.id, page.call_id, page.custom_data
        )
        order by page.position
      ),
      '[]'
    ),
    'next', case when count(*) = p_limit then max(page.position) end
  )
  from (
    select * from public.campaign_contacts
    where batch_id = p_batch_id and position > p_after
    order by position
    limit p_limit
  ) as page
  left join lateral (
    select coalesce(summary, short_summary) as summary from public.calls where id = page.call_id
  ) as call on true;
$$;

-- What a batch's event says of the API key that it came by.
create or replace function batchline.key_detail(p_key public.api_keys)
returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_object(
    'who', jsonb_build_object('type', 'api_key', 'id', p_key.id, 'name', p_key.name, 'email', null)
  );
$$;

-- Who did it is written down as they were called then (p_actor, or `who` in p_detail for an API key): a user who leaves
-- takes their row along, not what they did.
create or replace function batchline.log_batch_event(
  p_batch public.call_batches, p_event text, p_reason text default null, p_actor uuid default null,
  p_detail jsonb default null
)
returns void
language sql volatile set search_path = ''
as $$
  insert into public.call_events (agency_id, batch_id, event, reason, actor, detail)
  values (
    p_batch.agency_id, p_batch.id, p_event, p_reason, p_actor,
    nullif(
      coalesce(
        (
          select jsonb_build_object(
            'who', jsonb_build_object('type', 'user', 'id', id, 'name', full_name, 'email', email)
          )
          from public.users
          where id = p_actor
        ),
        '{}'
      ) || coalesce(p_detail, '{}'),
      '{}'
    )
  );
$$;

-- As require_user, for what no admin may: it cannot be taken back.
create or replace function batchline.require_owner(p_user_id uuid)
returns public.users
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
begin
  if v_user.role <> 'agency_owner' then
    perform batchline.refuse(403, 'forbidden', 'User role is not agency_owner');
  end if;
  return v_user;
end;
$$;

-- As authorize, where only the owner may.
create or replace function batchline.authorize_owner(p_user_id uuid)
returns jsonb
language sql volatile set search_path = ''
as $$
  select jsonb_build_object('agency_id', caller.agency_id, 'role', caller.role)
  from batchline.require_owner(p_user_id) as caller;
$$;

-- What stands for a number that an agency has erased: the same each time, and no way back without the salt. Null where
-- the agency has erased nobody yet.
create or replace function batchline.erased_number(p_agency_id uuid, p_phone_number text)
returns text
language sql stable set search_path = ''
as $$
  select 'erased:' || encode(sha256(salt || convert_to(p_phone_number, 'UTF8')), 'hex')
  from public.erasure_salts
  where agency_id = p_agency_id;
$$;

-- Whether a person has been forgotten since they were called: the provider tells of such calls again at the next import.
create or replace function batchline.is_erased(p_agency_id uuid, p_phone_number text, p_called_at timestamptz)
returns boolean
language sql stable set search_path = ''
as $$
  select exists (
    select from public.erasures
    where agency_id = p_agency_id
      and number_hash = batchline.erased_number(p_agency_id, p_phone_number)
      and created_at >= coalesce(p_called_at, '-infinity')
  );
$$;

-- A text without a number, however its plus sign was written.
create or replace function batchline.without_number(p_text text, p_phone_number text)
returns text
language sql immutable set search_path = ''
as $$
  select replace(replace(p_text, p_phone_number, '[erased]'), substr(p_phone_number, 2), '[erased]');
$$;

-- Stores a list, in its order. Who can never be called is kept as skipped, so that the report is whole: numbers on the
-- do-not-call list, those of no known time zone, and those in whose zones the hours never meet. A program's batch (it
-- has no campaign) has a time zone for the numbers that have none.
create or replace function batchline.add_contacts(p_batch public.call_batches, p_contacts jsonb, p_status text)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_fallback text[] := case when p_batch.campaign_id is null then array[p_batch.timezone] end;
  v_sets jsonb := (
    select coalesce(jsonb_agg(distinct coalesce(contact -> 'time_zones', 'null')), '[]')
    from jsonb_array_elements(p_contacts) as list (contact)
  );
begin
  perform batchline.open_batch_zones(p_batch, v_sets);
  with zone_set as materialized (
    select zones, coalesce(
      batchline.contact_zones(p_batch.calling_hours, zones), case when p_status = 'queued' then v_fallback end
    ) as time_zones
    from jsonb_array_elements(v_sets) as given (zones)
  ),
  listing as (
    select list.contact, p_batch.total_contacts + list.ordinality - 1 as position, zone_set.time_zones, case
        when listed.phone_number is not null then 'On the do-not-call list'
        when zone_set.time_zones is null and v_fallback is null then 'No time zone known; send `timezone`'
        when zone.opens_at = 'infinity' then batchline.never_open_note(zone.time_zones)
      end as reason
    from jsonb_array_elements(p_contacts) with ordinality as list (contact, ordinality)
    join zone_set on zone_set.zones = coalesce(list.contact -> 'time_zones', 'null')
    left join public.call_batch_zones as zone
      on zone.batch_id = p_batch.id and zone.time_zones = zone_set.time_zones
    left join lateral (
      select phone_number from public.do_not_call
      where agency_id = p_batch.agency_id
        and phone_number in (
          list.contact ->> 'phone_number', batchline.erased_number(p_batch.agency_id, list.contact ->> 'phone_number')
        )
      limit 1
    ) as listed on true
  ),
  added as (
    insert into public.campaign_contacts (
      status, agency_id, batch_id, position, phone_number, first_name, last_name, email, company, title, timezone,
      custom_data, max_attempts, next_attempt_at, completed_at, reason, reason_at, outcome_notes, time_zones
    )
    select
      case when reason is null then p_status else 'skipped' end, p_batch.agency_id, p_batch.id, position,
      contact ->> 'phone_number', contact ->> 'first_name', contact ->> 'last_name', contact ->> 'email',
      contact ->> 'company', contact ->> 'title', contact ->> 'timezone',
      coalesce(nullif(contact -> 'custom_data', 'null'), '{}'),
      coalesce((contact ->> 'max_attempts')::int, (p_batch.retry ->> 'max_attempts')::int),
      case when reason is null and p_status = 'queued' then v_now end,
      case when reason is not null then v_now end, reason, case when reason is not null then v_now end, reason,
      time_zones
    from listing
    returning id, status, reason
  )
  insert into public.call_events (agency_id, batch_id, contact_id, event, reason)
  select p_batch.agency_id, p_batch.id, added.id, 'skipped', added.reason from added where added.status = 'skipped';
end;
$$;

-- draft, scheduled -> pending, or -> scheduled where p_start_at is still to come; nothing is dialled before.
create or replace function batchline.execute_batch(
  p_batch public.call_batches, p_start_at timestamptz, p_actor uuid, p_detail jsonb default null
)
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
    perform batchline.log_batch_event(v_batch, 'executed', p_actor => p_actor, p_detail => p_detail);
  end if;
  return v_batch;
end;
$$;

-- The contacts of a batch that a redial calls again, in their order, as add_contacts takes them: those that are done with
-- and were not reached, with one of the outcomes; not_called are those who were skipped before anybody called them.
-- Left out are numbers on the do-not-call list, erased people, and who waits in, or was reached by, an earlier redial.
create or replace function batchline.redial_contacts(p_batch public.call_batches, p_outcomes text[])
returns jsonb
language sql stable
set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
  select coalesce(jsonb_agg(to_jsonb(contact) order by contact.position), '[]')
  from public.campaign_contacts as contact
  where contact.batch_id = p_batch.id
    and contact.status in ('failed', 'skipped')
    and coalesce(contact.outcome, case when contact.attempts = 0 then 'not_called' end) = any (p_outcomes)
    and (contact.time_zones is not null or p_batch.campaign_id is null)  -- else no time zone is known
    and contact.phone_number not like 'erased:%'
    and not exists (
      select from public.do_not_call as listed
      where listed.agency_id = contact.agency_id and listed.phone_number = contact.phone_number
    )
    and not exists (
      select from public.call_batches as redial
      join public.campaign_contacts as again on again.batch_id = redial.id and again.phone_number = contact.phone_number
      where redial.redial_of = p_batch.id and redial.deleted_at is null
        and again.status in ('pending', 'queued', 'in_progress', 'completed')
    );
$$;

-- A new draft with the contacts of a batch that were not reached, and in all else like it. The batch stays as it is.
create or replace function batchline.redial_call_batch(
  p_user_id uuid, p_batch_id uuid, p_outcomes text[], p_name text default null, p_once jsonb default null
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_answer jsonb := batchline.recall_answer(v_user.agency_id, 'calls-batch-redial', p_once);
  v_batch public.call_batches;
  v_contacts jsonb;
  v_new public.call_batches;
begin
  if v_answer is not null then
    return v_answer;
  end if;
  v_batch := batchline.require_batch(v_user.agency_id, p_batch_id);
  perform batchline.require_agent(v_user.agency_id, v_batch.agent_mapping_id);
  perform batchline.require_number(v_user.agency_id, v_batch.from_number);
  v_contacts := batchline.redial_contacts(v_batch, p_outcomes);
  if v_contacts = '[]' then
    perform batchline.refuse(400, 'nothing_to_redial', 'No contact of the batch is left to be called again');
  end if;

  insert into public.call_batches (
    status, agency_id, campaign_id, agent_mapping_id, name, from_number, calls_per_minute, max_concurrent,
    calling_hours, retry, timezone, created_by, redial_of
  )
  values (
    'draft', v_batch.agency_id, v_batch.campaign_id, v_batch.agent_mapping_id,
    coalesce(p_name, left('Redial of ' || coalesce(v_batch.name, v_batch.id::text), 255)), v_batch.from_number,
    v_batch.calls_per_minute, v_batch.max_concurrent, v_batch.calling_hours, v_batch.retry, v_batch.timezone,
    v_user.id, v_batch.id
  )
  returning * into v_new;
  perform batchline.log_batch_event(v_new, 'created', 'Redial of batch ' || v_batch.id, v_user.id);
  perform batchline.add_contacts(v_new, v_contacts, 'pending');
  return batchline.keep_answer(
    v_user.agency_id, 'calls-batch-redial', p_once,
    batchline.created_batch_json(v_new.id, 0) || jsonb_build_object('redial_of', v_batch.id)
  );
end;
$$;

-- What may be kept of a provider's Call object about somebody who is forgotten. What is not named here goes, so that a
-- field which the provider adds cannot bring the person back. `erased` tells later news of the call to do the same.
create or replace function batchline.impersonal(p_call jsonb)
returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'erased', true,
    'callId', p_call -> 'callId',
    'agentId', p_call -> 'agentId',
    'created', p_call -> 'created',
    'joined', p_call -> 'joined',
    'ended', p_call -> 'ended',
    'endReason', p_call -> 'endReason',
    'billedDuration', p_call -> 'billedDuration',
    'billingStatus', p_call -> 'billingStatus',
    'maxDuration', p_call -> 'maxDuration',
    'errorCount', p_call -> 'errorCount',
    'sipDetails', jsonb_build_object('terminationReason', p_call #> '{sipDetails,terminationReason}'),
    'metadata', jsonb_build_object(
      'agency_id', p_call #> '{metadata,agency_id}',
      'batch_id', p_call #> '{metadata,batch_id}',
      'contact_id', p_call #> '{metadata,contact_id}',
      'call_id', p_call #> '{metadata,call_id}'
    )
  ));
$$;

-- Fills what we did not know yet; nothing known is overwritten by less, so that order and repeats do not matter.
create or replace function batchline.fill_call(p_call_id uuid, p_call jsonb)
returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_erased boolean := (select raw ? 'erased' from public.calls where id = p_call_id);
  v_payload jsonb := case when v_erased then batchline.impersonal(p_call) else batchline.payload(p_call) end;
begin
  update public.calls as call
  set joined_at = coalesce(call.joined_at, (p_call ->> 'joined')::timestamptz),
      end_reason = coalesce(call.end_reason, p_call ->> 'endReason'),
      duration_seconds = coalesce(
        call.duration_seconds,
        round(extract(epoch from (p_call ->> 'ended')::timestamptz - (p_call ->> 'joined')::timestamptz))::int
      ),
      billing_status = coalesce(
        nullif(call.billing_status, 'BILLING_STATUS_PENDING'), p_call ->> 'billingStatus', call.billing_status
      ),
      billed_duration_seconds = coalesce(
        call.billed_duration_seconds, batchline.duration_seconds(p_call ->> 'billedDuration')
      ),
      short_summary = coalesce(call.short_summary, v_payload ->> 'shortSummary'),
      summary = coalesce(call.summary, v_payload ->> 'summary'),
      raw = v_payload
  where call.id = p_call_id
    and (call.raw is null or batchline.call_rank(p_call) >= batchline.call_rank(call.raw))
    and call.raw is distinct from v_payload;
  return found;
end;
$$;

-- The row that a call which is not ours becomes: without a contact it holds no slot and no place in a pace. Raises a
-- data exception for what cannot be read; what is missing stays unknown, as in calls of early 2025.
create or replace function batchline.read_call(p_agency_id uuid, p_call jsonb)
returns public.calls
language plpgsql stable set search_path = ''
as $$
declare
  v_row public.calls;
begin
  v_row.ultravox_call_id := batchline.uuid_or_null(p_call ->> 'callId');
  if v_row.ultravox_call_id is null then
    raise exception using errcode = 'invalid_text_representation', message = 'callId is no UUID';
  end if;
  v_row.agency_id := p_agency_id;
  v_row.status := batchline.call_status(p_call);
  v_row.accepted_at := batchline.provider_time(p_call ->> 'created');
  v_row.joined_at := batchline.provider_time(p_call ->> 'joined');
  v_row.ended_at := batchline.provider_time(p_call ->> 'ended');
  v_row.outcome := case when v_row.ended_at is not null then batchline.call_outcome(p_call) end;
  v_row.end_reason := p_call ->> 'endReason';
  v_row.to_number := batchline.call_number(p_call, 'to');
  v_row.from_number := batchline.call_number(p_call, 'from');
  v_row.duration_seconds := round(extract(epoch from v_row.ended_at - v_row.joined_at));
  v_row.billed_duration_seconds := batchline.duration_seconds(p_call ->> 'billedDuration');
  v_row.billing_status := p_call ->> 'billingStatus';
  v_row.short_summary := p_call ->> 'shortSummary';
  v_row.summary := p_call ->> 'summary';
  v_row.raw := batchline.payload(p_call);
  if batchline.is_erased(p_agency_id, v_row.to_number, v_row.accepted_at) then
    v_row.to_number := batchline.erased_number(p_agency_id, v_row.to_number);
    v_row.short_summary := null;
    v_row.summary := null;
    v_row.raw := batchline.impersonal(p_call);
  end if;
  return v_row;
end;
$$;

-- A webhook event: stored once and applied, in one transaction.
create or replace function batchline.ingest_event(p_agency_id uuid, p_event text, p_call jsonb)
returns text
language plpgsql volatile
set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_result text := batchline.apply_call(p_agency_id, p_call, 'webhook');
begin
  insert into public.call_events (
    agency_id, batch_id, contact_id, call_id, event, ultravox_call_id, payload
  )
  select p_agency_id, call.batch_id, call.contact_id, call.id, p_event, (p_call ->> 'callId')::uuid,
         case when call.raw ? 'erased' then batchline.impersonal(p_call) else batchline.payload(p_call) end
  from (select batchline.match_call(p_agency_id, p_call) as id) as matched
  left join public.calls as call using (id)
  on conflict (agency_id, ultravox_call_id, event) where payload is not null do nothing;
  return v_result;
end;
$$;

-- create_call_batch for programs. The id comes from outside, since the list is in object storage under it by now.
create or replace function batchline.create_batch_call(
  p_api_key text, p_secret_hash text, p_batch jsonb, p_once jsonb default null
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_key public.api_keys := batchline.require_api_key(p_api_key, p_secret_hash, true);
  v_answer jsonb := batchline.recall_answer(v_key.agency_id, 'batch-call-create', p_once);
  v_start record;
  v_agency public.agencies;
  v_agent public.agent_mappings;
  v_batch public.call_batches;
begin
  if v_answer is not null then
    return v_answer;
  end if;
  select * into v_start from batchline.batch_call_start(
    p_batch ->> 'status', (p_batch ->> 'scheduled_for')::timestamptz, (p_batch ->> 'send_now')::boolean
  );
  select * into v_agency from public.agencies where id = v_key.agency_id;
  v_agent := batchline.require_agent(v_agency.id, (p_batch ->> 'agent_mapping_id')::uuid, 'agent_id');
  perform batchline.require_number(v_agency.id, p_batch ->> 'from_number');
  perform batchline.require_time_zone(p_batch ->> 'timezone', 'timezone');

  insert into public.call_batches (
    id, status, agency_id, agent_mapping_id, name, from_number, calls_per_minute, max_concurrent, calling_hours, retry,
    scheduled_for, timezone, tasks_object, created_by
  )
  values (
    (p_batch ->> 'id')::uuid, v_start.status, v_agency.id, v_agent.id, p_batch ->> 'name', p_batch ->> 'from_number',
    v_agency.default_calls_per_minute, v_agency.default_max_concurrent,
    batchline.default_calling_hours(), batchline.default_retry(), v_start.start_at, p_batch ->> 'timezone', p_batch ->> 'tasks_object', v_key.created_by
  )
  returning * into v_batch;
  perform batchline.log_batch_event(
    v_batch, 'created', 'API key ' || v_key.name, v_key.created_by, batchline.key_detail(v_key)
  );
  perform batchline.add_contacts(v_batch, p_batch -> 'contacts', 'pending');
  select * into v_batch from public.call_batches where id = v_batch.id;
  return batchline.keep_answer(
    v_agency.id, 'batch-call-create', p_once,
    batchline.batch_call_json(v_batch)
      || jsonb_build_object('created_by', v_key.created_by, 'session_id', p_batch ->> 'session_id')
  );
end;
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
  perform batchline.log_batch_event(
    v_batch, 'edited', 'API key ' || v_key.name, v_key.created_by, batchline.key_detail(v_key)
  );
  return batchline.batch_call_json(v_batch);
end;
$$;

-- A draft or a scheduled batch starts as soon as the processor runs.
create or replace function batchline.execute_batch_call(p_api_key text, p_secret_hash text, p_batch_id uuid)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_key public.api_keys := batchline.require_api_key(p_api_key, p_secret_hash, true);
  v_batch public.call_batches := batchline.require_batch_call(v_key.agency_id, p_batch_id);
begin
  v_batch := batchline.execute_batch(v_batch, null, v_key.created_by, batchline.key_detail(v_key));
  if v_batch.id is null then
    perform batchline.refuse(
      400, 'batch_call_not_executable', 'Batch call has been sent (only drafts and scheduled ones can be executed)'
    );
  end if;
  return batchline.batch_call_json(v_batch);
end;
$$;

-- Hides a draft or what has ended from every reader.
create or replace function batchline.delete_batch_call(p_api_key text, p_secret_hash text, p_batch_id uuid)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_key public.api_keys := batchline.require_api_key(p_api_key, p_secret_hash, true);
  v_batch public.call_batches := batchline.require_batch_call(v_key.agency_id, p_batch_id);
begin
  update public.call_batches
  set deleted_at = batchline.clock()
  where id = p_batch_id and status in ('draft', 'completed', 'failed', 'cancelled')
  returning * into v_batch;
  if not found then
    perform batchline.refuse(
      400, 'batch_call_not_deletable',
      'Batch call is scheduled or running (only drafts and those that have ended can be deleted)'
    );
  end if;
  perform batchline.log_batch_event(
    v_batch, 'deleted', 'API key ' || v_key.name, v_key.created_by, batchline.key_detail(v_key)
  );
  return jsonb_build_object('id', v_batch.id, 'tasks_object', v_batch.tasks_object);
end;
$$;

-- How many people an agency has had erased: an export asks before its first page and after its last.
create or replace function batchline.count_erasures(p_agency_id uuid)
returns bigint
language sql stable set search_path = ''
as $$
  select count(*) from public.erasures where agency_id = p_agency_id;
$$;

-- What an export needs to know before its first page: whose batch it is, its name, the names of its custom fields (null
-- where there are more than 100) and how many people the agency has erased. Counts for the user's limit.
create or replace function batchline.begin_export(p_user_id uuid, p_batch_id uuid)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set plan_cache_mode = force_custom_plan set jit = off
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, false);
  v_name text;
  v_fields text[];
begin
  select name into v_name
  from public.call_batches
  where id = p_batch_id and agency_id = v_user.agency_id and deleted_at is null;
  if not found then
    perform batchline.refuse(404, 'batch_not_found', 'Batch not found or does not belong to the user''s agency');
  end if;
  select array_agg(found.field order by found.field)
  into v_fields
  from (
    select distinct field
    from public.campaign_contacts
    cross join lateral jsonb_object_keys(custom_data) as field
    where batch_id = p_batch_id
    limit 101
  ) as found;
  return jsonb_build_object(
    'agency_id', v_user.agency_id,
    'name', v_name,
    'custom_fields', case
      when v_fields is null then '[]'
      when cardinality(v_fields) <= 100 then to_jsonb(v_fields)
    end,
    'erasures', batchline.count_erasures(v_user.agency_id)
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
  delete from public.do_not_call
  where agency_id = v_user.agency_id
    and phone_number = any (p_phone_numbers || array(  -- erased people too
      select batchline.erased_number(v_user.agency_id, phone_number) from unnest(p_phone_numbers) as listed (phone_number)
    ));
  get diagnostics v_removed = row_count;
  return jsonb_build_object('removed', v_removed);
end;
$$;

-- Nobody is forgotten in the middle of a call: what is only claimed is released, anything else that is live refuses.
-- The agency's lock and those of the batches are held.
create or replace function batchline.release_or_refuse(p_agency_id uuid, p_phone_number text)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_call public.calls;
begin
  for v_call in
    select * from public.calls
    where agency_id = p_agency_id and to_number = p_phone_number and is_live
    order by id
    for update
  loop
    if v_call.status <> 'claimed' then
      perform batchline.refuse(
        409, 'call_live', 'A call to this number is under way or its fate is not known yet; try again when it has ended'
      );
    end if;
    perform batchline.release_call(v_call, batchline.clock(), 'Erased');
  end loop;
end;
$$;

-- The person on every list of the agency: what is known of them goes, what became of them stays; who still waited is
-- skipped. Where a list has the number's hash already (it was appended anew since), the row's id is hashed with it.
create or replace function batchline.erase_contacts(p_contact_ids uuid[], p_phone_number text, p_hash text)
returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_changed int;
begin
  with open as (
    select id from public.campaign_contacts where id = any (p_contact_ids) and status in ('pending', 'queued')
  ), erased as (
    update public.campaign_contacts as contact
    set phone_number = case
          when exists (
            select from public.campaign_contacts as other
            where other.batch_id = contact.batch_id and other.phone_number = p_hash
          ) then batchline.erased_number(agency_id, p_phone_number || ' ' || id)
          else p_hash
        end,
        first_name = null, last_name = null, email = null, company = null, title = null, timezone = null,
        time_zones = '{}', custom_data = '{}',
        status = case when status in ('pending', 'queued') then 'skipped' else status end,
        next_attempt_at = null,
        completed_at = coalesce(completed_at, v_now),
        outcome_notes = case
          when status in ('pending', 'queued') then 'Erased' else batchline.without_number(outcome_notes, p_phone_number)
        end,
        reason = case
          when status in ('pending', 'queued') then 'Erased' else batchline.without_number(reason, p_phone_number)
        end,
        reason_at = case when status in ('pending', 'queued') then v_now else reason_at end
    where id = any (p_contact_ids) and phone_number not like 'erased:%'
    returning id, agency_id, batch_id
  ), logged as (
    insert into public.call_events (agency_id, batch_id, contact_id, event, reason, at)
    select agency_id, batch_id, id, 'skipped', 'Erased', v_now from erased join open using (id)
  )
  select count(*) into v_changed from erased;
  return v_changed;
end;
$$;

-- What was said in the person's calls, and to which number they went. That there were calls, when and how long, stays:
-- pace, caps and bills rest on it.
create or replace function batchline.erase_calls(p_call_ids uuid[], p_phone_number text, p_hash text)
returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_changed int;
begin
  update public.calls
  set to_number = case when to_number = p_phone_number then p_hash else batchline.without_number(to_number, p_phone_number) end,
      from_number = batchline.without_number(from_number, p_phone_number),
      reason = batchline.without_number(reason, p_phone_number),
      end_reason = batchline.without_number(end_reason, p_phone_number),
      short_summary = null,
      summary = null,
      raw = batchline.impersonal(coalesce(raw, '{}'))
  where id = any (p_call_ids) and not coalesce(raw ? 'erased', false);
  get diagnostics v_changed = row_count;
  return v_changed;
end;
$$;

-- The trail is append-only for everybody but its owner. This is the one way through, which is why it runs as the owner,
-- does this and nothing else: it adds no event, takes none away, and changes neither what happened nor when.
create or replace function batchline.erase_events(
  p_agency_id uuid, p_contact_ids uuid[], p_call_ids uuid[], p_batch_ids uuid[], p_phone_number text
)
returns int
language plpgsql volatile security definer
set search_path = '' set enable_seqscan = off set jit = off set plan_cache_mode = force_custom_plan
as $$
declare
  v_changed int;
begin
  update public.call_events as entry
  set reason = batchline.without_number(reason, p_phone_number),
      detail = batchline.without_number(detail::text, p_phone_number)::jsonb,
      payload = case when payload is not null then batchline.impersonal(payload) end
  where agency_id = p_agency_id
    and id = any (array(
      select id from public.call_events where contact_id = any (p_contact_ids)
      union
      select id from public.call_events where call_id = any (p_call_ids)
      union
      select id from public.call_events
      where batch_id = any (p_batch_ids) and contact_id is null and batch_id is not null
      union  -- of a call that was an imported row once, and is one of ours now
      select id from public.call_events
      where agency_id = p_agency_id and payload is not null and ultravox_call_id in (
        select ultravox_call_id from public.calls where calls.id = any (p_call_ids)
      )
    ))
    and (
      (payload is not null and not payload ? 'erased')
      or position(substr(p_phone_number, 2) in concat_ws(' ', reason, detail::text)) > 0
    );
  get diagnostics v_changed = row_count;
  return v_changed;
end;
$$;

-- Sentences and answers in which the number may stand, beside the person's own rows.
create or replace function batchline.erase_notes(p_agency_id uuid, p_batch_ids uuid[], p_phone_number text)
returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_digits text := substr(p_phone_number, 2);
  v_changed int := 0;
  v_more int;
begin
  update public.call_batches
  set error_message = batchline.without_number(error_message, p_phone_number),
      name = batchline.without_number(name, p_phone_number)
  where id = any (p_batch_ids) and position(v_digits in concat_ws(' ', error_message, name)) > 0;
  get diagnostics v_changed = row_count;

  update public.idempotent_answers
  set answer = batchline.without_number(answer::text, p_phone_number)::jsonb
  where agency_id = p_agency_id and position(v_digits in answer::text) > 0;
  get diagnostics v_more = row_count;
  v_changed := v_changed + v_more;

  update public.historical_sync_jobs
  set error_message = batchline.without_number(error_message, p_phone_number)
  where agency_id = p_agency_id and position(v_digits in error_message) > 0;
  get diagnostics v_more = row_count;
  v_changed := v_changed + v_more;

  update public.historical_sync_failures
  set reason = batchline.without_number(reason, p_phone_number),
      ultravox_call_id = batchline.without_number(ultravox_call_id, p_phone_number)
  where agency_id = p_agency_id and position(v_digits in concat_ws(' ', reason, ultravox_call_id)) > 0;
  get diagnostics v_more = row_count;
  return v_changed + v_more;
end;
$$;

-- A number that is never to be dialled stays on the list as its hash, by which add_contacts knows it again.
create or replace function batchline.erase_do_not_call(p_agency_id uuid, p_phone_number text, p_hash text)
returns int
language plpgsql volatile set search_path = ''
as $$
begin
  insert into public.do_not_call (agency_id, phone_number, added_by, created_at, call_id)
  select agency_id, p_hash, added_by, created_at, call_id
  from public.do_not_call
  where agency_id = p_agency_id and phone_number = p_phone_number
  on conflict (agency_id, phone_number) do nothing;
  delete from public.do_not_call where agency_id = p_agency_id and phone_number = p_phone_number;
  return found::int;
end;
$$;

-- The calls of these contacts, and imported ones to the number. Of one that was no outgoing call the number is only in
-- the payload.
create or replace function batchline.calls_of_person(p_agency_id uuid, p_contact_ids uuid[], p_phone_number text)
returns uuid[]
language sql stable
set search_path = '' set enable_seqscan = off set jit = off
as $$
  select array(
    select id from public.calls where contact_id = any (p_contact_ids)
    union
    select id from public.calls where agency_id = p_agency_id and contact_id is null and to_number = p_phone_number
    union
    select id from public.calls
    where agency_id = p_agency_id and contact_id is null and to_number is null
      and position(substr(p_phone_number, 2) in raw::text) > 0
  );
$$;

-- Forgets the person behind a number, everywhere in the agency, in one transaction; what changed, and the objects that
-- the caller is to deal with. Repeated, it takes what has come since. See docs/why.md, "Forgetting a person".
create or replace function batchline.erase_person(p_user_id uuid, p_phone_number text)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_owner(p_user_id);
  v_agency_id uuid := v_user.agency_id;
  v_hash text;
  v_batch_ids uuid[];
  v_contact_ids uuid[];
  v_call_ids uuid[];
  v_changed jsonb;
begin
  perform batchline.lock_agency(v_agency_id);
  insert into public.erasure_salts (agency_id) values (v_agency_id) on conflict (agency_id) do nothing;
  v_hash := batchline.erased_number(v_agency_id, p_phone_number);

  select array_agg(distinct contact.batch_id), array_agg(contact.id)
  into v_batch_ids, v_contact_ids
  from public.call_batches as batch
  join public.campaign_contacts as contact
    on contact.batch_id = batch.id and contact.phone_number in (p_phone_number, v_hash)
  where batch.agency_id = v_agency_id;
  perform batchline.lock_batches(v_batch_ids);
  perform batchline.release_or_refuse(v_agency_id, p_phone_number);
  v_call_ids := batchline.calls_of_person(v_agency_id, v_contact_ids, p_phone_number);

  v_changed := jsonb_build_object(
    'contacts', batchline.erase_contacts(v_contact_ids, p_phone_number, v_hash),
    'calls', batchline.erase_calls(v_call_ids, p_phone_number, v_hash),
    'events', batchline.erase_events(v_agency_id, v_contact_ids, v_call_ids, v_batch_ids, p_phone_number),
    'do_not_call', batchline.erase_do_not_call(v_agency_id, p_phone_number, v_hash),
    'notes', batchline.erase_notes(v_agency_id, v_batch_ids, p_phone_number)
  );
  perform batchline.complete_batches(v_batch_ids);
  insert into public.erasures (agency_id, number_hash, created_by, changed)
  values (v_agency_id, v_hash, v_user.id, v_changed);
  return jsonb_build_object(
    'agency_id', v_agency_id,
    'number_hash', v_hash,
    'changed', v_changed,
    'tasks_objects', (
      select coalesce(jsonb_agg(tasks_object order by id), '[]')
      from public.call_batches
      where id = any (v_batch_ids) and tasks_object is not null and deleted_at is null
    )
  );
end;
$$;

revoke all on function
  batchline.authorize_owner(uuid),
  batchline.begin_export(uuid, uuid),
  batchline.calls_of_person(uuid, uuid[], text),
  batchline.count_erasures(uuid),
  batchline.erase_calls(uuid[], text, text),
  batchline.erase_contacts(uuid[], text, text),
  batchline.erase_do_not_call(uuid, text, text),
  batchline.erase_events(uuid, uuid[], uuid[], uuid[], text),
  batchline.erase_notes(uuid, uuid[], text),
  batchline.erase_person(uuid, text),
  batchline.erased_number(uuid, text),
  batchline.execute_batch(public.call_batches, timestamptz, uuid, jsonb),
  batchline.impersonal(jsonb),
  batchline.is_erased(uuid, text, timestamptz),
  batchline.key_detail(public.api_keys),
  batchline.redial_call_batch(uuid, uuid, text[], text, jsonb),
  batchline.redial_contacts(public.call_batches, text[]),
  batchline.release_or_refuse(uuid, text),
  batchline.require_owner(uuid),
  batchline.without_number(text, text),
  public.batch_history(uuid),
  public.export_calls(uuid, int, int),
  public.export_contacts(uuid, int, int)
from public, anon, authenticated;
grant execute on function
  batchline.authorize_owner(uuid),
  batchline.begin_export(uuid, uuid),
  batchline.calls_of_person(uuid, uuid[], text),
  batchline.count_erasures(uuid),
  batchline.erase_calls(uuid[], text, text),
  batchline.erase_contacts(uuid[], text, text),
  batchline.erase_do_not_call(uuid, text, text),
  batchline.erase_events(uuid, uuid[], uuid[], uuid[], text),
  batchline.erase_notes(uuid, uuid[], text),
  batchline.erase_person(uuid, text),
  batchline.erased_number(uuid, text),
  batchline.execute_batch(public.call_batches, timestamptz, uuid, jsonb),
  batchline.impersonal(jsonb),
  batchline.is_erased(uuid, text, timestamptz),
  batchline.key_detail(public.api_keys),
  batchline.redial_call_batch(uuid, uuid, text[], text, jsonb),
  batchline.redial_contacts(public.call_batches, text[]),
  batchline.release_or_refuse(uuid, text),
  batchline.require_owner(uuid),
  batchline.without_number(text, text),
  public.batch_history(uuid),
  public.export_calls(uuid, int, int),
  public.export_contacts(uuid, int, int)
to service_role;

grant execute on function
  public.batch_history(uuid),
  public.export_contacts(uuid, int, int),
  public.export_calls(uuid, int, int)
to authenticated;
