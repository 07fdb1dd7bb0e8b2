-- The import of an agency's past calls.

comment on schema batchline is
  'The verbs of Batchline: one function per transition, the only writers. Lock order, everywhere: a sync job, the '
  'agency''s advisory lock, then batch rows by id, then contacts, then calls; a function that serves several agencies '
  'finishes one before it starts the next, by id.';

create table public.historical_sync_jobs (
  id uuid primary key default gen_random_uuid(),
  status text not null default 'pending',
  agency_id uuid not null references public.agencies (id),
  date_from timestamptz,  -- null: from the beginning
  date_to timestamptz not null,  -- fixed at creation: calls that come later shift no page
  total_calls int,  -- what the provider announced
  processed_calls int not null default 0,
  imported_calls int not null default 0,
  updated_calls int not null default 0,
  skipped_calls int not null default 0,  -- already there, unchanged
  failed_calls int not null default 0,
  oldest_call_at timestamptz,
  newest_call_at timestamptz,
  cursor text,  -- of the next page; null: the first
  attempts int not null default 0,  -- failed runs in a row
  resume_after timestamptz,  -- the provider asked for a pause (Retry-After)
  error_message text,
  last_error_at timestamptz,
  claimed_by text,
  claimed_until timestamptz,
  created_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default batchline.clock(),
  started_at timestamptz,
  completed_at timestamptz,
  last_activity_at timestamptz,
  constraint sync_status_is_known check (status in ('pending', 'in_progress', 'completed', 'failed', 'cancelled')),
  constraint sync_range_is_not_empty check (date_from < date_to),
  constraint sync_counters_are_not_negative check (
    least(total_calls, imported_calls, updated_calls, skipped_calls, failed_calls, attempts) >= 0
  ),
  constraint sync_counters_add_up check (
    processed_calls = imported_calls + updated_calls + skipped_calls + failed_calls
  ),
  constraint sync_started_at_unset_while_pending check (status <> 'pending' or started_at is null),
  constraint sync_started_at_set_once_begun check (
    status not in ('in_progress', 'completed') or started_at is not null
  ),
  constraint sync_completed_at_exactly_when_final check (
    (status in ('completed', 'failed', 'cancelled')) = (completed_at is not null)
  ),
  constraint sync_lease_has_a_holder check ((claimed_by is null) = (claimed_until is null)),
  constraint sync_lease_only_in_progress check (claimed_by is null or status = 'in_progress'),
  constraint failed_sync_says_why check (status <> 'failed' or error_message is not null)
);
comment on table public.historical_sync_jobs is 'One import of an agency''s past calls over a range of dates.';
-- Of 30 who start at once, this decides.
create unique index historical_sync_jobs_one_active_idx on public.historical_sync_jobs (agency_id)
  where status in ('pending', 'in_progress');
create index historical_sync_jobs_newest_idx on public.historical_sync_jobs (agency_id, created_at desc, id desc);
create index historical_sync_jobs_created_by_idx on public.historical_sync_jobs (created_by);

create table public.historical_sync_failures (
  id bigint generated always as identity primary key,
  agency_id uuid not null references public.agencies (id),
  job_id uuid not null references public.historical_sync_jobs (id) on delete cascade,
  ultravox_call_id text,  -- as it was sent, which may be no id at all
  reason text not null,
  created_at timestamptz not null default batchline.clock()
);
comment on table public.historical_sync_failures is 'A call that an import could not read, and why.';
create index historical_sync_failures_job_idx on public.historical_sync_failures (job_id, id);
create index historical_sync_failures_agency_idx on public.historical_sync_failures (agency_id);

create policy sync_jobs_are_read_by_their_agency on public.historical_sync_jobs for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

create policy sync_failures_are_read_by_their_agency on public.historical_sync_failures for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

alter table public.historical_sync_jobs enable row level security;
alter table public.historical_sync_failures enable row level security;

-- The agency's import that is under way, else its latest: none begins while another is active, so it is the newest.
create function public.get_sync_status()
returns jsonb
language plpgsql stable
set search_path = '' set enable_seqscan = off set enable_sort = off set jit = off
as $$
declare
  v_agency_id uuid := public.my_agency_id();
  v_job jsonb;
begin
  select jsonb_build_object(
    'id', id,
    'status', status,
    'date_from', public.iso_utc(date_from),
    'date_to', public.iso_utc(date_to),
    'total_calls', total_calls,
    'processed_calls', processed_calls,
    'imported_calls', imported_calls,
    'updated_calls', updated_calls,
    'skipped_calls', skipped_calls,
    'failed_calls', failed_calls,
    'progress_percent', case
      when status = 'completed' then 100.0
      when coalesce(total_calls, 0) = 0 then 0.0
      else least(100.0, round(100.0 * processed_calls / total_calls, 1))
    end,
    'error_message', error_message,
    'started_at', public.iso_utc(started_at),
    'last_activity_at', public.iso_utc(last_activity_at)
  )
  into v_job
  from public.historical_sync_jobs
  where agency_id = v_agency_id
  order by created_at desc, id desc
  limit 1;

  if v_job ->> 'status' in ('pending', 'in_progress') then
    return jsonb_build_object('active', true, 'job', v_job);
  end if;
  return jsonb_build_object('active', false, 'recent_job', v_job);
end;
$$;

-- A time of the provider's. PostgreSQL alone would read "yesterday" and "now" as well.
create function batchline.provider_time(p_text text)
returns timestamptz
language plpgsql stable set search_path = ''
as $$
begin
  if p_text !~ '^\d{4}-\d\d-\d\dT\d\d:\d\d' then
    raise exception using errcode = 'invalid_datetime_format', message = format('%L is no time', left(p_text, 40));
  end if;
  return p_text::timestamptz;
end;
$$;

-- The row that a call which is not ours becomes: without a contact it holds no slot and no place in a pace. Raises a
-- data exception for what cannot be read; what is missing stays unknown, as in calls of early 2025.
create function batchline.read_call(p_agency_id uuid, p_call jsonb)
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
  return v_row;
end;
$$;

-- Those of the calls that are neither ours nor known yet, in one statement; their provider's ids. Raises a data
-- exception if one of them cannot be read.
create function batchline.insert_calls(p_agency_id uuid, p_calls jsonb)
returns uuid[]
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  v_inserted uuid[];
begin
  with inserted as (
    insert into public.calls (
      status, agency_id, agent_mapping_id, ultravox_call_id, to_number, from_number, accepted_at, joined_at, ended_at,
      outcome, end_reason, duration_seconds, billed_duration_seconds, billing_status, short_summary, summary, raw,
      created_at
    )
    select row.status, row.agency_id, agent.id, row.ultravox_call_id, row.to_number, row.from_number, row.accepted_at,
           row.joined_at, row.ended_at, row.outcome, row.end_reason, row.duration_seconds, row.billed_duration_seconds,
           row.billing_status, row.short_summary, row.summary, row.raw,
           coalesce(row.accepted_at, batchline.clock())
    from jsonb_array_elements(p_calls) as told (call)
    cross join lateral batchline.read_call(p_agency_id, told.call) as row
    left join public.agent_mappings as agent
      on agent.agency_id = p_agency_id
      and agent.ultravox_agent_id = coalesce(told.call #>> '{agent,agentId}', told.call ->> 'agentId')
    where not coalesce((
      -- By the id alone, or a planner without statistics reads all calls of the agency.
      select ours.agency_id = p_agency_id and ours.contact_id::text = told.call #>> '{metadata,contact_id}'
      from public.calls as ours
      where ours.id = batchline.uuid_or_null(told.call #>> '{metadata,call_id}')
    ), false)
    on conflict on constraint ultravox_call_is_unique_per_agency do nothing
    returning ultravox_call_id
  )
  select coalesce(array_agg(ultravox_call_id), '{}') into v_inserted from inserted;
  return v_inserted;
end;
$$;

-- A call that is not ours becomes a row of its own, or tells more about the one that it has become.
create or replace function batchline.import_call(p_agency_id uuid, p_call jsonb)
returns text
language plpgsql volatile set search_path = ''
as $$
declare
  v_read public.calls := batchline.read_call(p_agency_id, p_call);
  v_call_id uuid;
  v_changed boolean;
begin
  if batchline.insert_calls(p_agency_id, jsonb_build_array(p_call)) <> '{}' then
    return 'imported';
  end if;
  v_call_id := batchline.match_call(p_agency_id, p_call);
  update public.calls as call
  set status = v_read.status, joined_at = v_read.joined_at, ended_at = v_read.ended_at, outcome = v_read.outcome
  where call.id = v_call_id and call.contact_id is null
    and batchline.call_rank(p_call) > batchline.call_rank(call.raw)
    and row(call.status, call.joined_at, call.ended_at, call.outcome)
      is distinct from row(v_read.status, v_read.joined_at, v_read.ended_at, v_read.outcome);
  v_changed := found;
  return case when batchline.fill_call(v_call_id, p_call) or v_changed then 'applied' else 'unchanged' end;
end;
$$;

-- A date_to that lies ahead is now: a range that is still growing could not be told to be whole.
create function batchline.create_historical_sync_job(p_user_id uuid, p_date_from timestamptz, p_date_to timestamptz)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, false);
  v_date_to timestamptz := least(p_date_to, batchline.clock());
  v_job_id uuid;
begin
  if p_date_from >= v_date_to then
    perform batchline.refuse(400, 'bad_request', 'date_from must be before date_to and not lie in the future');
  end if;
  insert into public.historical_sync_jobs (agency_id, date_from, date_to, created_by)
  values (v_user.agency_id, p_date_from, v_date_to, v_user.id)
  on conflict (agency_id) where status in ('pending', 'in_progress') do nothing
  returning id into v_job_id;
  if v_job_id is null then
    perform batchline.refuse(
      409, 'sync_job_already_exists', 'A sync job already exists for the agency and is pending or in progress'
    );
  end if;
  return jsonb_build_object('job_id', v_job_id, 'status', 'pending');
end;
$$;

-- How a job stands, for the worker that asks: "mine" tells whether its lease still holds.
create function batchline.sync_progress(p_job public.historical_sync_jobs, p_worker text)
returns jsonb
language sql volatile set search_path = ''
as $$
  select jsonb_build_object(
    'job_id', p_job.id,
    'status', p_job.status,
    'mine', coalesce(p_job.claimed_by = p_worker and p_job.claimed_until > batchline.clock(), false),
    'cursor', p_job.cursor,
    'total', p_job.total_calls,
    'processed', p_job.processed_calls,
    'imported', p_job.imported_calls,
    'updated', p_job.updated_calls,
    'skipped', p_job.skipped_calls,
    'failed', p_job.failed_calls,
    'oldest_call', public.iso_utc(p_job.oldest_call_at),
    'newest_call', public.iso_utc(p_job.newest_call_at),
    'error', p_job.error_message
  );
$$;

-- pending, or in_progress without a valid lease -> in_progress with a lease; longest without progress first, so that
-- no agency starves. A job that is locked has a worker at this moment.
create function batchline.claim_sync_jobs(p_worker text, p_limit int, p_lease_seconds double precision)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_now timestamptz := batchline.clock();
  v_jobs jsonb;
begin
  with due as (
    select id
    from public.historical_sync_jobs
    where status in ('pending', 'in_progress')
      and (claimed_until is null or claimed_until <= v_now)
      and (resume_after is null or resume_after <= v_now)
    order by coalesce(last_activity_at, created_at), id
    limit p_limit
    for no key update skip locked
  ), claimed as (
    update public.historical_sync_jobs as job
    set status = 'in_progress',
        claimed_by = p_worker,
        claimed_until = v_now + make_interval(secs => p_lease_seconds),
        resume_after = null,
        started_at = coalesce(job.started_at, v_now),
        last_activity_at = v_now
    from due
    where job.id = due.id
    returning job
  )
  select coalesce(jsonb_agg(batchline.sync_progress(job, p_worker) || jsonb_build_object(
    'agency_id', (job).agency_id,
    'date_from', public.iso_utc((job).date_from),
    'date_to', public.iso_utc((job).date_to)
  )), '[]')
  into v_jobs
  from claimed;
  return v_jobs;
end;
$$;

create function batchline.note_sync_failure(p_job public.historical_sync_jobs, p_call jsonb, p_reason text)
returns void
language sql volatile set search_path = ''
as $$
  insert into public.historical_sync_failures (agency_id, job_id, ultravox_call_id, reason)
  values (p_job.agency_id, p_job.id, left(p_call ->> 'callId', 100), left(p_reason, 500));
$$;

-- Whether a call as it is listed may change its row. Where it cannot, an import leaves the row alone: no lock, no write.
create function batchline.is_news(p_row public.calls, p_call jsonb)
returns boolean
language sql immutable set search_path = ''
as $$
  select p_row.raw is null
    or p_row.ultravox_call_id::text is distinct from lower(p_call ->> 'callId')
    or (
      p_row.raw <> batchline.payload(p_call)
      and (p_row.status <> 'ended' or batchline.call_rank(p_call) >= batchline.call_rank(p_row.raw))
    );
$$;

-- What remains of a page: calls of ours and calls that are known. Those that say nothing new are not touched at all; the
-- others go one by one, under the locks of all their batches, taken before the first.
create function batchline.apply_page(p_job public.historical_sync_jobs, p_calls jsonb)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  v_news jsonb;
  v_batch_ids uuid[];
  v_live_ids uuid[];
  v_needs_agency boolean;
  v_call jsonb;
  v_updated int := 0;
  v_failed int := 0;
begin
  select coalesce(jsonb_agg(told.call), '[]'), array_agg(distinct known.batch_id),
         array_agg(known.id) filter (where known.status <> 'not_placed'),
         bool_or(known.status = 'not_placed')
  into v_news, v_batch_ids, v_live_ids, v_needs_agency
  from jsonb_array_elements(p_calls) as told (call)
  left join public.calls as known on known.id = batchline.match_call(p_job.agency_id, told.call)
  where batchline.is_news(known, told.call);

  if v_needs_agency then
    perform batchline.lock_agency(p_job.agency_id);
  end if;
  perform batchline.lock_batches(v_batch_ids);
  perform batchline.refuse_given_up(v_live_ids);
  for v_call in select value from jsonb_array_elements(v_news) loop
    begin
      perform batchline.read_call(p_job.agency_id, v_call);
      v_updated := v_updated + (batchline.apply_call(p_job.agency_id, v_call, 'import') <> 'unchanged')::int;
    exception when data_exception or integrity_constraint_violation then
      perform batchline.note_sync_failure(p_job, v_call, sqlerrm);
      v_failed := v_failed + 1;
    end;
  end loop;
  return jsonb_build_object('updated', v_updated, 'failed', v_failed);
end;
$$;

-- Why a call cannot be read; null when it can.
create function batchline.call_problem(p_agency_id uuid, p_call jsonb)
returns text
language plpgsql stable set search_path = ''
as $$
begin
  perform batchline.read_call(p_agency_id, p_call);
  return null;
exception when data_exception then
  return sqlerrm;
end;
$$;

-- The calls of a page that can be read; of each other one, the id and the reason are kept.
create function batchline.split_page(p_job public.historical_sync_jobs, p_calls jsonb)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_call jsonb;
  v_problem text;
  v_readable jsonb[] := '{}';
begin
  for v_call in select value from jsonb_array_elements(p_calls) loop
    v_problem := batchline.call_problem(p_job.agency_id, v_call);
    if v_problem is null then
      v_readable := v_readable || v_call;
    else
      perform batchline.note_sync_failure(p_job, v_call, v_problem);
    end if;
  end loop;
  return to_jsonb(v_readable);
end;
$$;

-- Takes in a page of past calls; how many were imported, updated and failed. Nearly all of a first import are calls that
-- nobody knew: those in one statement. Only if it meets one that cannot be read is each looked at by itself.
create function batchline.import_page(p_job public.historical_sync_jobs, p_calls jsonb)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_readable jsonb := p_calls;
  v_inserted uuid[];
  v_counts jsonb;
begin
  begin
    v_inserted := batchline.insert_calls(p_job.agency_id, p_calls);
  exception when data_exception then
    v_readable := batchline.split_page(p_job, p_calls);
    v_inserted := batchline.insert_calls(p_job.agency_id, v_readable);
  end;
  v_counts := '{"updated": 0, "failed": 0}';
  if cardinality(v_inserted) < jsonb_array_length(v_readable) then
    v_counts := batchline.apply_page(p_job, (
      select jsonb_agg(call) from jsonb_array_elements(v_readable) as told (call)
      where (call ->> 'callId')::uuid <> all (v_inserted)
    ));
  end if;
  return v_counts || jsonb_build_object(
    'processed', jsonb_array_length(p_calls),
    'imported', cardinality(v_inserted),
    'failed', (v_counts ->> 'failed')::int + jsonb_array_length(p_calls) - jsonb_array_length(v_readable)
  );
end;
$$;

-- in_progress -> completed: the provider has no further page.
create function batchline.finish_sync_job(p_job_id uuid)
returns public.historical_sync_jobs
language plpgsql volatile set search_path = ''
as $$
declare
  v_job public.historical_sync_jobs;
begin
  update public.historical_sync_jobs
  set status = 'completed', completed_at = batchline.clock(), claimed_by = null, claimed_until = null
  where id = p_job_id and status = 'in_progress'
  returning * into v_job;
  return v_job;
end;
$$;

-- One page: its calls, the counters, the place of the next page and the lease, all or nothing. Fenced by worker and
-- cursor: a worker whose lease is over changes nothing, nor does the same page again.
-- p_page: {"cursor", "calls", "next_cursor", "total", "oldest", "newest"}, the last three as the provider says.
create function batchline.record_sync_page(p_job_id uuid, p_worker text, p_page jsonb, p_lease_seconds double precision)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_job public.historical_sync_jobs;
  v_counts record;
begin
  select * into v_job from public.historical_sync_jobs where id = p_job_id for no key update;
  if v_job.claimed_by = p_worker and v_job.claimed_until > batchline.clock()
    and v_job.cursor is not distinct from p_page ->> 'cursor'
  then
    select * into v_counts from jsonb_to_record(batchline.import_page(v_job, p_page -> 'calls'))
      as counted (processed int, imported int, updated int, failed int);
    update public.historical_sync_jobs as job
    set total_calls = coalesce((p_page ->> 'total')::int, job.total_calls),
        processed_calls = job.processed_calls + v_counts.processed,
        imported_calls = job.imported_calls + v_counts.imported,
        updated_calls = job.updated_calls + v_counts.updated,
        skipped_calls = job.skipped_calls
          + v_counts.processed - v_counts.imported - v_counts.updated - v_counts.failed,
        failed_calls = job.failed_calls + v_counts.failed,
        oldest_call_at = least(job.oldest_call_at, (p_page ->> 'oldest')::timestamptz),
        newest_call_at = greatest(job.newest_call_at, (p_page ->> 'newest')::timestamptz),
        cursor = p_page ->> 'next_cursor',
        attempts = 0,
        error_message = null,
        claimed_until = batchline.clock() + make_interval(secs => p_lease_seconds),
        last_activity_at = batchline.clock()
    where job.id = p_job_id
    returning * into v_job;
    if v_job.cursor is null then
      v_job := batchline.finish_sync_job(p_job_id);
    end if;
  end if;
  return batchline.sync_progress(v_job, p_worker);
end;
$$;

-- A run leaves a job that is not done: out of time, or because the provider asks for a pause. The next run goes on.
create function batchline.release_sync_job(
  p_job_id uuid, p_worker text, p_reason text, p_retry_after_seconds double precision
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_job public.historical_sync_jobs;
begin
  update public.historical_sync_jobs
  set claimed_by = null,
      claimed_until = null,
      resume_after = case
        when p_retry_after_seconds is not null then v_now + make_interval(secs => least(p_retry_after_seconds, 900))
      end,
      error_message = coalesce(p_reason, error_message),
      last_error_at = case when p_reason is null then last_error_at else v_now end
  where id = p_job_id and status = 'in_progress' and claimed_by = p_worker;
  select * into v_job from public.historical_sync_jobs where id = p_job_id;
  return batchline.sync_progress(v_job, p_worker);
end;
$$;

-- A run has failed. The job goes on with the next one, unless that cannot help (p_is_final) or it was the tenth in a
-- row without a page.
create function batchline.fail_sync_job(p_job_id uuid, p_worker text, p_reason text, p_is_final boolean)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_job public.historical_sync_jobs;
begin
  update public.historical_sync_jobs
  set status = case when p_is_final or attempts + 1 >= 10 then 'failed' else 'in_progress' end,
      completed_at = case when p_is_final or attempts + 1 >= 10 then v_now end,
      attempts = attempts + 1,
      error_message = p_reason,
      last_error_at = v_now,
      claimed_by = null,
      claimed_until = null
  where id = p_job_id and status = 'in_progress' and claimed_by = p_worker;
  select * into v_job from public.historical_sync_jobs where id = p_job_id;
  return batchline.sync_progress(v_job, p_worker);
end;
$$;

-- pending, in_progress -> cancelled. A page that is being written is waited for; its worker then finds its lease gone.
create function batchline.cancel_sync_job(p_user_id uuid, p_job_id uuid)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, false);
  v_status text;
begin
  select status into v_status from public.historical_sync_jobs
  where id = p_job_id and agency_id = v_user.agency_id for no key update;
  if not found then
    perform batchline.refuse(
      404, 'sync_job_not_found', 'Sync job not found or does not belong to the user''s agency'
    );
  elsif v_status not in ('pending', 'in_progress') then
    perform batchline.refuse(
      400, 'sync_job_not_cancellable', 'Sync job is not pending or in progress',
      jsonb_build_object('current_status', v_status)
    );
  end if;
  update public.historical_sync_jobs
  set status = 'cancelled', completed_at = batchline.clock(), claimed_by = null, claimed_until = null
  where id = p_job_id;
  return jsonb_build_object('job_id', p_job_id, 'status', 'cancelled');
end;
$$;

-- Supabase grants everything in public to anon and authenticated by default; only what is named is open.
revoke all on public.historical_sync_jobs, public.historical_sync_failures from anon, authenticated;
revoke all on sequence public.historical_sync_failures_id_seq from anon, authenticated;
revoke all on function public.get_sync_status() from public, anon, authenticated;
revoke all on function
  batchline.provider_time,
  batchline.read_call,
  batchline.insert_calls,
  batchline.create_historical_sync_job,
  batchline.sync_progress,
  batchline.claim_sync_jobs,
  batchline.note_sync_failure,
  batchline.is_news,
  batchline.apply_page,
  batchline.call_problem,
  batchline.split_page,
  batchline.import_page,
  batchline.finish_sync_job,
  batchline.record_sync_page,
  batchline.release_sync_job,
  batchline.fail_sync_job,
  batchline.cancel_sync_job
from public, anon, authenticated;

grant select, insert, update, delete on public.historical_sync_jobs, public.historical_sync_failures to service_role;
grant execute on function
  batchline.provider_time,
  batchline.read_call,
  batchline.insert_calls,
  batchline.create_historical_sync_job,
  batchline.sync_progress,
  batchline.claim_sync_jobs,
  batchline.note_sync_failure,
  batchline.is_news,
  batchline.apply_page,
  batchline.call_problem,
  batchline.split_page,
  batchline.import_page,
  batchline.finish_sync_job,
  batchline.record_sync_page,
  batchline.release_sync_job,
  batchline.fail_sync_job,
  batchline.cancel_sync_job
to service_role;
grant execute on function public.get_sync_status() to service_role, authenticated;
grant select (
  id, status, agency_id, date_from, date_to, total_calls, processed_calls, imported_calls, updated_calls, skipped_calls,
  failed_calls, oldest_call_at, newest_call_at, error_message, last_error_at, created_by, created_at, started_at,
  completed_at, last_activity_at
) on public.historical_sync_jobs to authenticated;
grant select on public.historical_sync_failures to authenticated;
