create table public.contact_imports (
  id uuid primary key default gen_random_uuid(),
  status text not null default 'pending',
  agency_id uuid not null references public.agencies (id),
  batch_id uuid not null references public.call_batches (id) on delete cascade,
  expires_at timestamptz not null,  -- of the link by which the file is to come
  asked_at timestamptz,  -- when the object storage was last asked for the file
  etag text,  -- of the file that arrived: another one in its place is not read on
  size_bytes bigint,
  cursor bigint not null default 0,  -- bytes that are read: always the end of a row
  rows_seen int not null default 0,  -- as a spreadsheet numbers them, with the header and empty ones
  rows_read int not null default 0,
  added int not null default 0,
  duplicates_skipped int not null default 0,
  skipped int not null default 0,  -- of those added: will not be dialled
  invalid int not null default 0,
  columns jsonb,  -- what each column of the file was read as
  report_rows int,  -- null until the report is in object storage
  attempts int not null default 0,  -- failed runs in a row
  resume_after timestamptz,
  error_message text,
  last_error_at timestamptz,
  claimed_by text,
  claimed_until timestamptz,
  created_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default batchline.clock(),
  started_at timestamptz,
  completed_at timestamptz,
  last_activity_at timestamptz,
  constraint import_status_is_known check (status in ('pending', 'in_progress', 'completed', 'failed')),
  constraint import_counters_are_not_negative check (
    least(cursor, rows_seen, added, duplicates_skipped, skipped, invalid, report_rows, attempts) >= 0
  ),
  constraint import_counters_add_up check (rows_read = added + duplicates_skipped + invalid and skipped <= added),
  constraint import_reads_no_further_than_the_file check (cursor <= coalesce(size_bytes, 0)),
  constraint import_knows_its_file_whole check ((etag is null) = (size_bytes is null)),
  constraint import_started_at_unset_while_pending check (status <> 'pending' or started_at is null),
  constraint import_started_at_set_once_begun check (
    status not in ('in_progress', 'completed') or (started_at is not null and size_bytes is not null)
  ),
  constraint import_completed_at_exactly_when_final check (
    (status in ('completed', 'failed')) = (completed_at is not null)
  ),
  constraint import_lease_has_a_holder check ((claimed_by is null) = (claimed_until is null)),
  constraint import_lease_only_in_progress check (claimed_by is null or status = 'in_progress'),
  constraint failed_import_says_why check (status <> 'failed' or error_message is not null)
);

comment on table public.contact_imports is 'One list of contacts that comes as a file. Open (pending, in_progress), it keeps its batch from completing.';

create index contact_imports_batch_idx on public.contact_imports (batch_id);
create index contact_imports_open_idx on public.contact_imports (batch_id) where status in ('pending', 'in_progress');
create index contact_imports_awaited_idx on public.contact_imports (asked_at nulls first, id)
  where status = 'pending' and size_bytes is null;
create index contact_imports_due_idx on public.contact_imports (coalesce(last_activity_at, created_at), id)
  where status in ('pending', 'in_progress') and size_bytes is not null;
create index contact_imports_agency_idx on public.contact_imports (agency_id);
create index contact_imports_created_by_idx on public.contact_imports (created_by);

create table public.contact_import_faults (
  import_id uuid not null references public.contact_imports (id) on delete cascade,
  cursor bigint not null,  -- of the chunk in which they were found
  faults jsonb not null,  -- [[row, column, what, detail], …]; put into words where the report is written
  created_at timestamptz not null default batchline.clock(),
  primary key (import_id, cursor)
);

comment on table public.contact_import_faults is 'What was wrong with the rows of a list, chunk by chunk, until the report is written.';

create policy contact_imports_are_read_by_their_agency on public.contact_imports for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

create policy contact_import_faults_are_read_by_nobody on public.contact_import_faults for select to authenticated
  using (false);

alter table public.contact_imports enable row level security;
alter table public.contact_import_faults enable row level security;

revoke all on public.contact_imports, public.contact_import_faults from anon, authenticated;
grant select, insert, update, delete on public.contact_imports, public.contact_import_faults to service_role;
grant select (
  id, status, agency_id, batch_id, expires_at, size_bytes, cursor, rows_seen, rows_read, added, duplicates_skipped,
  skipped, invalid, columns, report_rows, error_message, created_by, created_at, started_at, completed_at,
  last_activity_at
) on public.contact_imports to authenticated;

alter table public.call_events
  drop constraint event_is_known,
  add constraint event_is_known check (
    event in (
      'created', 'started', 'paused', 'resumed', 'cancelled', 'completed', 'failed',
      'claimed', 'released', 'begun', 'accepted', 'refused', 'throttled', 'unknown', 'asked', 'adopted', 'answered',
      'ended', 'requeued', 'deferred', 'skipped', 'not_placed', 'late_acceptance', 'executed', 'edited', 'deleted', 'appended',
      'call.started', 'call.joined', 'call.ended', 'call.billed'
    )
  );

-- A list that comes as a file, and how far it is. Percent of its bytes: nobody knows its rows before they are read.
create or replace function public.get_contact_import(p_import_id uuid)
returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_agency_id uuid := public.my_agency_id();
  v_import jsonb;
begin
  select jsonb_build_object(
    'import_id', id,
    'batch_id', batch_id,
    'status', status,
    'progress_percent', case
      when status = 'completed' then 100.0
      when coalesce(size_bytes, 0) = 0 then 0.0
      else least(99.9, round(100.0 * cursor / size_bytes, 1))
    end,
    'rows_read', rows_read,
    'added', added,
    'skipped', skipped,
    'duplicates_skipped', duplicates_skipped,
    'invalid', invalid,
    'columns', columns,
    'report_rows', report_rows,
    'expires_at', public.iso_utc(expires_at),
    'started_at', public.iso_utc(started_at),
    'completed_at', public.iso_utc(completed_at),
    'error_message', error_message
  )
  into v_import
  from public.contact_imports
  where id = p_import_id and agency_id = v_agency_id;
  if not found then
    raise exception using
      errcode = 'PT404',
      message = 'Import not found or does not belong to the user''s agency',
      detail = '{"code": "import_not_found"}';
  end if;
  return v_import;
end;
$$;

-- As require_batch, for what only a batch that is not final can take.
create or replace function batchline.require_open_batch(p_agency_id uuid, p_batch_id uuid)
returns public.call_batches
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches := batchline.require_batch(p_agency_id, p_batch_id);
begin
  if v_batch.status in ('completed', 'failed', 'cancelled') then
    perform batchline.refuse(
      400, 'batch_already_final', 'Batch is already completed, failed or cancelled: it takes no more contacts'
    );
  end if;
  return v_batch;
end;
$$;

-- Nothing pending, queued or in progress, and no list still to come: completed. Never from cancelled or failed. An
-- import begins and ends under the batch row's lock, which whoever calls this has.
create or replace function batchline.complete_batches(p_batch_ids uuid[])
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  for v_batch in
    update public.call_batches
    set status = 'completed', completed_at = batchline.clock(), paused_at = null, waiting_until = null
    where id = any (p_batch_ids)
      and status in ('processing', 'paused')
      and started_at is not null
      and pending + queued + in_progress = 0
      and not exists (
        select from public.contact_imports as list
        where list.batch_id = call_batches.id and list.status in ('pending', 'in_progress')
      )
    returning *
  loop
    perform batchline.log_batch_event(v_batch, 'completed');
  end loop;
end;
$$;

-- More contacts for a batch whose row is locked, after those that it has. A number that the batch has already is left
-- out; "duplicates" are the places of those in the list, counted from 1. Pending before the start, queued after it.
create or replace function batchline.append_contacts(p_batch public.call_batches, p_contacts jsonb)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
declare
  v_duplicates int[] := array(
    select listing.place
    from jsonb_array_elements(p_contacts) with ordinality as listing (contact, place)
    cross join lateral (  -- one look at the unique index for each: a join would read the whole batch
      select from public.campaign_contacts
      where batch_id = p_batch.id and phone_number = listing.contact ->> 'phone_number'
      limit 1
    ) as known
    order by listing.place
  );
  v_new jsonb := p_contacts;
  v_batch public.call_batches;
begin
  if v_duplicates <> '{}' then
    select coalesce(jsonb_agg(listing.contact order by listing.place), '[]') into v_new
    from jsonb_array_elements(p_contacts) with ordinality as listing (contact, place)
    where listing.place <> all (v_duplicates);
  end if;
  perform batchline.add_contacts(p_batch, v_new, case when p_batch.started_at is null then 'pending' else 'queued' end);
  select * into v_batch from public.call_batches where id = p_batch.id;
  return jsonb_build_object(
    'added', v_batch.total_contacts - p_batch.total_contacts,
    'skipped', v_batch.skipped - p_batch.skipped,
    'duplicates', to_jsonb(v_duplicates),
    'total_contacts', v_batch.total_contacts
  );
end;
$$;

-- A batch of a user who may write, with its contacts. They come normalised, valid and without duplicates.
create or replace function batchline.new_batch(p_user public.users, p_batch jsonb)
returns public.call_batches
language plpgsql volatile set search_path = ''
as $$
declare
  v_start_at timestamptz := batchline.start_time((p_batch ->> 'scheduled_for')::timestamptz, 'scheduled_for');
  v_ends_at timestamptz := batchline.end_time((p_batch ->> 'ends_at')::timestamptz, v_start_at);
  v_agency public.agencies;
  v_agent public.agent_mappings;
  v_campaign public.campaigns;
  v_hours jsonb;
  v_batch public.call_batches;
begin
  select * into v_agency from public.agencies where id = p_user.agency_id;
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
    v_start_at, v_ends_at, p_user.id
  )
  returning * into v_batch;

  perform batchline.log_batch_event(v_batch, 'created', p_actor => p_user.id);
  perform batchline.add_contacts(v_batch, p_batch -> 'contacts', 'pending');
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
  v_batch public.call_batches;
begin
  if v_answer is not null then
    return v_answer;
  end if;
  v_batch := batchline.new_batch(v_user, p_batch);
  return batchline.keep_answer(
    v_user.agency_id, 'calls-batch-create', p_once,
    batchline.created_batch_json(v_batch.id, coalesce((p_batch ->> 'duplicates_removed')::int, 0))
  );
end;
$$;

-- p_list: {"contacts": […], "duplicates_removed": n}. The contacts come as create_call_batch has them.
create or replace function batchline.append_call_contacts(
  p_user_id uuid, p_batch_id uuid, p_list jsonb, p_once jsonb default null
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_answer jsonb := batchline.recall_answer(v_user.agency_id, 'calls-batch-append', p_once);
  v_batch public.call_batches;
  v_done jsonb;
begin
  if v_answer is not null then
    return v_answer;
  end if;
  v_batch := batchline.require_open_batch(v_user.agency_id, p_batch_id);
  v_done := batchline.append_contacts(v_batch, p_list -> 'contacts');
  v_answer := jsonb_build_object(
    'batch_id', v_batch.id,
    'added', v_done -> 'added',
    'duplicates_skipped', (p_list ->> 'duplicates_removed')::int + jsonb_array_length(v_done -> 'duplicates'),
    'skipped', v_done -> 'skipped',
    'total_contacts', v_done -> 'total_contacts'
  );
  perform batchline.log_batch_event(v_batch, 'appended', p_actor => v_user.id, p_detail => v_answer - 'batch_id');
  return batchline.keep_answer(v_user.agency_id, 'calls-batch-append', p_once, v_answer);
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
  perform batchline.log_batch_event(v_batch, 'created', 'API key ' || v_key.name, v_key.created_by);
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
  perform batchline.log_batch_event(v_batch, 'edited', 'API key ' || v_key.name, v_key.created_by);
  return batchline.batch_call_json(v_batch);
end;
$$;

-- Asks for a file with a list: for the batch that p_upload names as batch_id, else for a new one, which is a draft made
-- of the rest of p_upload. The id comes from outside, as the link to the file's place is made from it.
create or replace function batchline.create_contact_import(
  p_user_id uuid, p_import_id uuid, p_upload jsonb, p_seconds double precision, p_once jsonb default null
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_answer jsonb := batchline.recall_answer(v_user.agency_id, 'calls-batch-upload', p_once);
  v_batch_id uuid := (p_upload ->> 'batch_id')::uuid;
  v_import public.contact_imports;
begin
  if v_answer is not null then
    return v_answer;
  end if;
  if v_batch_id is null then
    v_batch_id := (batchline.new_batch(v_user, p_upload || '{"status": "draft", "contacts": []}')).id;
  else
    perform batchline.require_open_batch(v_user.agency_id, v_batch_id);
  end if;
  insert into public.contact_imports (id, agency_id, batch_id, expires_at, created_by)
  values (
    p_import_id, v_user.agency_id, v_batch_id, batchline.clock() + make_interval(secs => p_seconds), v_user.id
  )
  returning * into v_import;
  return batchline.keep_answer(
    v_user.agency_id, 'calls-batch-upload', p_once,
    jsonb_build_object(
      'batch_id', v_batch_id, 'import_id', v_import.id, 'expires_at', public.iso_utc(v_import.expires_at)
    )
  );
end;
$$;

-- Imports whose file has not been seen yet, those first that were not asked for longest.
create or replace function batchline.awaited_uploads(p_limit int)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_sort = off set jit = off
as $$
declare
  v_ids jsonb;
begin
  with awaited as (
    select id
    from public.contact_imports
    where status = 'pending' and size_bytes is null
    order by asked_at nulls first, id
    limit p_limit
    for no key update skip locked
  ), asked as (
    update public.contact_imports as list
    set asked_at = batchline.clock()
    from awaited
    where list.id = awaited.id
    returning list.id
  )
  select coalesce(jsonb_agg(id), '[]') into v_ids from asked;
  return v_ids;
end;
$$;

-- What the object storage said of awaited files. p_arrived: [{"import_id", "etag", "size_bytes"}]. One that is missing
-- long after its link has ended will not come: an upload that began in the link's last second has a quarter of an hour.
create or replace function batchline.note_uploads(p_arrived jsonb, p_missing uuid[])
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_import public.contact_imports;
begin
  for v_import in
    select * from public.contact_imports
    where id = any (p_missing) and status = 'pending' and size_bytes is null
      and expires_at + interval '15 minutes' <= v_now
    order by agency_id, batch_id, id
  loop
    perform batchline.end_contact_import(
      v_import, 'failed', 'No file arrived before the link ended; ask for a new one with calls-batch-upload'
    );
  end loop;
  update public.contact_imports as list
  set etag = arrived.etag, size_bytes = arrived.size_bytes
  from jsonb_to_recordset(p_arrived) as arrived (import_id uuid, etag text, size_bytes bigint)
  where list.id = arrived.import_id and list.status = 'pending' and list.size_bytes is null;
end;
$$;

-- How an import stands, for the worker that asks: "mine" tells whether its lease still holds.
create or replace function batchline.contact_import_progress(p_import public.contact_imports, p_worker text)
returns jsonb
language sql volatile set search_path = ''
as $$
  select jsonb_build_object(
    'import_id', p_import.id,
    'agency_id', p_import.agency_id,
    'batch_id', p_import.batch_id,
    'status', p_import.status,
    'mine', coalesce(p_import.claimed_by = p_worker and p_import.claimed_until > batchline.clock(), false),
    'etag', p_import.etag,
    'size_bytes', p_import.size_bytes,
    'cursor', p_import.cursor,
    'rows_seen', p_import.rows_seen,
    'rows_read', p_import.rows_read,
    'added', p_import.added,
    'duplicates_skipped', p_import.duplicates_skipped,
    'skipped', p_import.skipped,
    'invalid', p_import.invalid,
    'error', p_import.error_message
  );
$$;

-- pending, in_progress -> completed or failed. The batch may have waited for this alone.
create or replace function batchline.end_contact_import(
  p_import public.contact_imports, p_status text, p_error_message text, p_report_rows int default null
)
returns public.contact_imports
language plpgsql volatile set search_path = ''
as $$
declare
  v_import public.contact_imports := batchline.lock_contact_import(p_import.id);
  v_batch public.call_batches;
begin
  update public.contact_imports
  set status = p_status, error_message = p_error_message, completed_at = batchline.clock(),
      report_rows = p_report_rows, claimed_by = null, claimed_until = null
  where id = p_import.id and status in ('pending', 'in_progress')
  returning * into v_import;
  if found then
    delete from public.contact_import_faults where import_id = p_import.id;
    select * into v_batch from public.call_batches where id = v_import.batch_id;
    perform batchline.log_batch_event(
      v_batch, 'appended', p_error_message, v_import.created_by,
      jsonb_build_object(
        'import_id', v_import.id, 'status', p_status, 'added', v_import.added,
        'duplicates_skipped', v_import.duplicates_skipped, 'skipped', v_import.skipped, 'invalid', v_import.invalid
      )
    );
    perform batchline.complete_batches(array[v_import.batch_id]);
  end if;
  return v_import;
end;
$$;

-- An import's row, locked after its agency and its batch, as the order of locks has it.
create or replace function batchline.lock_contact_import(p_import_id uuid)
returns public.contact_imports
language plpgsql volatile set search_path = ''
as $$
declare
  v_import public.contact_imports;
begin
  select * into v_import from public.contact_imports where id = p_import_id;
  perform batchline.lock_agency(v_import.agency_id);
  perform batchline.lock_batches(array[v_import.batch_id]);
  select * into v_import from public.contact_imports where id = p_import_id for no key update;
  return v_import;
end;
$$;

-- The import that has waited longest of those whose file is there and that no worker has: pending, or in_progress
-- without a valid lease -> in_progress with a lease. Null where there is none.
create or replace function batchline.claim_contact_import(p_worker text, p_lease_seconds double precision)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_sort = off set jit = off
as $$
declare
  v_now timestamptz := batchline.clock();
  v_import public.contact_imports;
begin
  update public.contact_imports as list
  set status = 'in_progress',
      claimed_by = p_worker,
      claimed_until = v_now + make_interval(secs => p_lease_seconds),
      resume_after = null,
      started_at = coalesce(list.started_at, v_now),
      last_activity_at = v_now
  where list.id = (
    select id
    from public.contact_imports
    where status in ('pending', 'in_progress')
      and size_bytes is not null
      and (claimed_until is null or claimed_until <= v_now)
      and (resume_after is null or resume_after <= v_now)
    order by coalesce(last_activity_at, created_at), id
    limit 1
    for no key update skip locked
  )
  returning * into v_import;
  return case when found then batchline.contact_import_progress(v_import, p_worker) end;
end;
$$;

-- What record_contact_chunk stores of a chunk that is the next one, under its locks.
create or replace function batchline.take_contact_chunk(
  p_import public.contact_imports, p_batch public.call_batches, p_chunk jsonb, p_lease_seconds double precision
)
returns public.contact_imports
language plpgsql volatile set search_path = ''
as $$
declare
  v_done jsonb := batchline.append_contacts(p_batch, p_chunk -> 'contacts');
  v_known int := jsonb_array_length(v_done -> 'duplicates');
  v_faults jsonb := p_chunk -> 'faults';
  v_import public.contact_imports;
begin
  if v_known > 0 then
    v_faults := v_faults || (
      select jsonb_agg(jsonb_build_array(p_chunk -> 'contacts' -> (place::int - 1) -> 'row', null, 'duplicate', null))
      from jsonb_array_elements_text(v_done -> 'duplicates') as place
    );
  end if;
  if v_faults <> '[]' then
    insert into public.contact_import_faults (import_id, cursor, faults) values (p_import.id, p_import.cursor, v_faults);
  end if;
  update public.contact_imports as list
  set cursor = (p_chunk ->> 'next_cursor')::bigint,
      rows_seen = (p_chunk ->> 'rows_seen')::int,
      rows_read = list.rows_read + jsonb_array_length(p_chunk -> 'contacts')
        + (p_chunk ->> 'duplicates')::int + (p_chunk ->> 'invalid')::int,
      added = list.added + (v_done ->> 'added')::int,
      duplicates_skipped = list.duplicates_skipped + (p_chunk ->> 'duplicates')::int + v_known,
      skipped = list.skipped + (v_done ->> 'skipped')::int,
      invalid = list.invalid + (p_chunk ->> 'invalid')::int,
      columns = p_chunk -> 'columns',
      attempts = 0,
      error_message = null,
      claimed_until = batchline.clock() + make_interval(secs => p_lease_seconds),
      last_activity_at = batchline.clock()
  where list.id = p_import.id
  returning * into v_import;
  return v_import;
end;
$$;

-- What was wrong with the rows of an import, in their order: the chunks after a cursor, as many as fit.
create or replace function batchline.list_contact_faults(p_import_id uuid, p_after bigint, p_limit int)
returns jsonb
language sql stable set search_path = '' set enable_seqscan = off set enable_sort = off set jit = off
as $$
  select coalesce(jsonb_agg(jsonb_build_object('cursor', page.cursor, 'faults', page.faults) order by page.cursor), '[]')
  from (
    select cursor, faults
    from public.contact_import_faults
    where import_id = p_import_id and cursor > p_after
    order by cursor
    limit p_limit
  ) as page;
$$;

-- One chunk of a list: its contacts, what was wrong with its rows, the counters, the place of the next chunk and the
-- lease, all or nothing. Fenced by worker and cursor: a worker whose lease is over changes nothing, nor does the same
-- chunk again.
-- p_chunk: {"cursor", "contacts": [{"row", …}], "faults": [[row, column, what, detail]], "duplicates", "invalid",
--           "columns", "next_cursor", "rows_seen"}
create or replace function batchline.record_contact_chunk(
  p_import_id uuid, p_worker text, p_chunk jsonb, p_lease_seconds double precision
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_import public.contact_imports := batchline.lock_contact_import(p_import_id);
  v_batch public.call_batches;
begin
  if v_import.claimed_by = p_worker and v_import.claimed_until > batchline.clock()
    and v_import.cursor = (p_chunk ->> 'cursor')::bigint
  then
    select * into v_batch from public.call_batches where id = v_import.batch_id;
    if v_batch.completed_at is not null or v_batch.deleted_at is not null then
      v_import := batchline.end_contact_import(
        v_import, 'failed', case
          when v_batch.deleted_at is not null then 'Batch deleted'
          else batchline.closing_note(v_batch)
        end || ' before its list was whole'
      );
    else
      v_import := batchline.take_contact_chunk(v_import, v_batch, p_chunk, p_lease_seconds);
    end if;
  end if;
  return batchline.contact_import_progress(v_import, p_worker);
end;
$$;

-- A run has failed. The import goes on with a later one, unless that cannot help (p_is_final) or it was the tenth in a
-- row without a chunk.
create or replace function batchline.fail_contact_import(p_import_id uuid, p_worker text, p_reason text, p_is_final boolean)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_import public.contact_imports := batchline.lock_contact_import(p_import_id);
  v_now timestamptz := batchline.clock();
begin
  if v_import.claimed_by = p_worker and (p_is_final or v_import.attempts >= 9) then
    v_import := batchline.end_contact_import(v_import, 'failed', p_reason);
  elsif v_import.claimed_by = p_worker then
    update public.contact_imports
    set attempts = attempts + 1, error_message = p_reason, last_error_at = v_now,
        resume_after = v_now + interval '30 s', claimed_by = null, claimed_until = null
    where id = p_import_id
    returning * into v_import;
  end if;
  return batchline.contact_import_progress(v_import, p_worker);
end;
$$;

-- The whole file has been read and the report is stored. A list of which nothing could be used has failed.
create or replace function batchline.finish_contact_import(p_import_id uuid, p_worker text, p_report_rows int)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_import public.contact_imports := batchline.lock_contact_import(p_import_id);
  v_failure text;
begin
  if v_import.claimed_by = p_worker and v_import.claimed_until > batchline.clock()
    and v_import.cursor = v_import.size_bytes
  then
    v_failure := case
      when v_import.rows_read = 0 then 'The file holds no rows below its header'
      when v_import.rows_read = v_import.invalid then
        format('None of the %s rows could be used; the report says why', v_import.rows_read)
    end;
    v_import := batchline.end_contact_import(
      v_import, case when v_failure is null then 'completed' else 'failed' end, v_failure, p_report_rows
    );
  end if;
  return batchline.contact_import_progress(v_import, p_worker);
end;
$$;

-- A run leaves an import that is not done, for want of time. Another goes on.
create or replace function batchline.release_contact_import(p_import_id uuid, p_worker text)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_import public.contact_imports;
begin
  update public.contact_imports
  set claimed_by = null, claimed_until = null
  where id = p_import_id and status = 'in_progress' and claimed_by = p_worker;
  select * into v_import from public.contact_imports where id = p_import_id;
  return batchline.contact_import_progress(v_import, p_worker);
end;
$$;

revoke all on function
  batchline.append_call_contacts(uuid, uuid, jsonb, jsonb),
  batchline.append_contacts(public.call_batches, jsonb),
  batchline.awaited_uploads(int),
  batchline.claim_contact_import(text, double precision),
  batchline.contact_import_progress(public.contact_imports, text),
  batchline.create_contact_import(uuid, uuid, jsonb, double precision, jsonb),
  batchline.end_contact_import(public.contact_imports, text, text, int),
  batchline.fail_contact_import(uuid, text, text, boolean),
  batchline.finish_contact_import(uuid, text, int),
  batchline.list_contact_faults(uuid, bigint, int),
  batchline.lock_contact_import(uuid),
  batchline.new_batch(public.users, jsonb),
  batchline.note_uploads(jsonb, uuid[]),
  batchline.record_contact_chunk(uuid, text, jsonb, double precision),
  batchline.release_contact_import(uuid, text),
  batchline.require_open_batch(uuid, uuid),
  batchline.take_contact_chunk(public.contact_imports, public.call_batches, jsonb, double precision),
  public.get_contact_import(uuid)
from public, anon, authenticated;
grant execute on function
  batchline.append_call_contacts(uuid, uuid, jsonb, jsonb),
  batchline.append_contacts(public.call_batches, jsonb),
  batchline.awaited_uploads(int),
  batchline.claim_contact_import(text, double precision),
  batchline.contact_import_progress(public.contact_imports, text),
  batchline.create_contact_import(uuid, uuid, jsonb, double precision, jsonb),
  batchline.end_contact_import(public.contact_imports, text, text, int),
  batchline.fail_contact_import(uuid, text, text, boolean),
  batchline.finish_contact_import(uuid, text, int),
  batchline.list_contact_faults(uuid, bigint, int),
  batchline.lock_contact_import(uuid),
  batchline.new_batch(public.users, jsonb),
  batchline.note_uploads(jsonb, uuid[]),
  batchline.record_contact_chunk(uuid, text, jsonb, double precision),
  batchline.release_contact_import(uuid, text),
  batchline.require_open_batch(uuid, uuid),
  batchline.take_contact_chunk(public.contact_imports, public.call_batches, jsonb, double precision),
  public.get_contact_import(uuid)
to service_role;
grant execute on function public.get_contact_import(uuid) to authenticated;
