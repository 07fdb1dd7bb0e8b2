-- What earlier versions left short: notices of contacts that are skipped when their list is taken in; erased people in
-- files that are not read yet; more people at forbidden numbers than a request has time to skip.

alter table public.contact_imports add column erased int not null default 0;
alter table public.contact_imports
  drop constraint import_counters_are_not_negative,
  add constraint import_counters_are_not_negative check (
    least(cursor, rows_seen, added, duplicates_skipped, skipped, invalid, report_rows, attempts, erased) >= 0
  ),
  drop constraint import_counters_add_up,
  add constraint import_counters_add_up check (
    rows_read = added + duplicates_skipped + invalid + erased and skipped <= added
  );
grant select (erased) on public.contact_imports to authenticated;

alter table public.do_not_call add column skipping boolean not null default false;
create index do_not_call_skipping_idx on public.do_not_call (agency_id, id) where skipping;

-- As note_batch, for contacts that have become final. It is named so that it comes after contacts_moved: the batch's row
-- is locked by then, and of one batch the order of the notices is that of the changes.
create or replace function batchline.note_contacts()
returns trigger
language plpgsql set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
begin
  -- The one look that agencies without an endpoint pay for.
  if not exists (select from public.notice_endpoints where active and 'contact.finished' = any (events)) then
    return null;
  end if;
  insert into public.notices (agency_id, batch_id, contact_id, event, data, next_attempt_at, created_at)
  select contact.agency_id, contact.batch_id, contact.id, 'contact.finished', batchline.contact_notice(contact),
         v_now, v_now
  from new_rows as contact
  join old_rows as before using (id)
  join public.notice_endpoints as endpoint on endpoint.agency_id = contact.agency_id
  where endpoint.active and 'contact.finished' = any (endpoint.events)
    and contact.completed_at is not null and before.completed_at is null
  order by contact.position;
  return null;
end;
$$;
drop function batchline.skip_numbers(uuid, text[], uuid, uuid);

-- What the notice of a contact that is done with says, as it is at that moment; who the person is, is read when it is sent.
create or replace function batchline.contact_notice(p_contact public.campaign_contacts)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'status', p_contact.status,
    'outcome', p_contact.outcome,
    'attempts', p_contact.attempts,
    'duration_seconds', p_contact.duration_seconds,
    'call_id', p_contact.call_id,
    'completed_at', public.iso_utc(p_contact.completed_at)
  );
$$;

-- As note_contacts, for contacts that are done with when they are stored: never to be dialled, and kept so that the list
-- is whole. One statement stores a list, so that this looks once, however many of it are skipped.
create or replace function batchline.note_skipped_contacts()
returns trigger
language plpgsql set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
begin
  if not exists (select from public.notice_endpoints where active and 'contact.finished' = any (events)) then
    return null;
  end if;
  insert into public.notices (agency_id, batch_id, contact_id, event, data, next_attempt_at, created_at)
  select contact.agency_id, contact.batch_id, contact.id, 'contact.finished', batchline.contact_notice(contact), v_now, v_now
  from new_rows as contact
  join public.notice_endpoints as endpoint on endpoint.agency_id = contact.agency_id
  where endpoint.active and 'contact.finished' = any (endpoint.events) and contact.completed_at is not null
  order by contact.position;
  return null;
end;
$$;

create trigger contacts_noted_when_added
  after insert on public.campaign_contacts
  referencing new table as new_rows
  for each statement execute function batchline.note_skipped_contacts();

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
    'erased', erased,
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

-- Who needs a worker now: a batch processing, due, or due within the minute until the next run, a paused one whose time
-- is over, any live call, also of a paused, cancelled or failed batch, or people whose numbers were forbidden.
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
  select agency_id from public.calls where is_live
  union
  select agency_id from public.do_not_call where skipping;
$$;

-- One round trip: starts what is due and claims, agency by agency, at most p_limit calls. Answers all that the dials
-- need, and when to come again.
create or replace function batchline.claim_calls(
  p_worker text, p_limit int, p_lease_seconds double precision, p_agency_id uuid default null
)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  v_now timestamptz := batchline.clock();
  v_agencies uuid[] := array(
    select active.id from batchline.active_agencies(v_now) as active (id)
    where p_agency_id is null or active.id = p_agency_id
    order by active.id
  );
  v_agency_id uuid;
  v_calls uuid[] := '{}';
  v_claimed uuid[];
  v_share int;
  v_next timestamptz;
  v_opening record;
  v_waiting boolean := false;
  v_skipping boolean := false;
  v_turn int := 0;
begin
  foreach v_agency_id in array v_agencies loop
    -- An equal share of what is left; what one agency does not use is left to those after it. Fractions are drawn by
    -- lot: rounded up, they would always go to the first, and a small p_limit never reach the last.
    v_share := floor((p_limit - cardinality(v_calls))::numeric / (cardinality(v_agencies) - v_turn) + random());
    v_turn := v_turn + 1;
    if not batchline.try_lock_agency(v_agency_id) then
      v_next := least(v_next, batchline.clock() + interval '20 ms');
      continue;
    end if;
    v_next := least(v_next, batchline.start_call_batches(v_agency_id));
    if batchline.skip_forbidden(v_agency_id) then
      v_skipping := true;
      v_next := batchline.clock();
    end if;
    -- One instant for both: a place that opens between two would be neither taken nor foretold.
    v_now := batchline.clock();
    perform batchline.refresh_batch_zones(v_agency_id, v_now);
    select * into v_opening from batchline.next_opening(v_agency_id, v_now);
    v_claimed := '{}';
    if v_share > 0 and v_opening.waiting_for_slot then  -- most agencies wait for their pace at most claims
      v_claimed := batchline.claim_agency_calls(
        v_agency_id, p_worker, v_share, make_interval(secs => p_lease_seconds), v_now
      );
    end if;
    if v_claimed <> '{}' then
      v_calls := v_calls || v_claimed;
      select * into v_opening from batchline.next_opening(v_agency_id, v_now);
    end if;
    perform batchline.note_waiting(v_agency_id, v_now);
    v_next := least(v_next, v_opening.opens_at);
    if cardinality(v_claimed) = v_share and v_opening.waiting_for_slot and v_calls <> '{}' then
      v_next := v_now;  -- it was p_limit that stopped here, not a limit of the agency
    end if;
    v_waiting := v_waiting or v_opening.waiting_for_slot;
  end loop;

  return jsonb_build_object(
    'active', cardinality(v_agencies) > 0,
    'resting', v_calls = '{}' and not v_skipping and batchline.all_rest(v_agencies, v_now),
    'calls', batchline.dial_orders(v_calls),
    'next_claim_in', case when v_next is not null then greatest(0, extract(epoch from v_next - batchline.clock())) end,
    'waiting_for_slot', v_waiting
  );
end;
$$;

-- pending, or in_progress without a valid lease -> in_progress with a lease; longest without progress first, so that
-- no agency starves. A job that is locked has a worker at this moment.
-- A lease that ran out is a worker that stopped without a word. The tenth failed run in a row without a page fails the
-- job, whatever became of each: it is answered too, as failed, so that somebody hears of it.
create or replace function batchline.claim_sync_jobs(
  p_worker text, p_limit int, p_lease_seconds double precision, p_agency_id uuid default null
)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_now timestamptz := batchline.clock();
  v_jobs jsonb;
begin
  with due as (
    select id, claimed_by is not null as stopped, claimed_by is not null and attempts >= 9 as given_up
    from public.historical_sync_jobs
    where status in ('pending', 'in_progress')
      and (p_agency_id is null or agency_id = p_agency_id)
      and (claimed_until is null or claimed_until <= v_now)
      and (resume_after is null or resume_after <= v_now)
    order by coalesce(last_activity_at, created_at), id
    limit p_limit
    for no key update skip locked
  ), claimed as (
    update public.historical_sync_jobs as job
    set status = case when due.given_up then 'failed' else 'in_progress' end,
        claimed_by = case when not due.given_up then p_worker end,
        claimed_until = case when not due.given_up then v_now + make_interval(secs => p_lease_seconds) end,
        attempts = job.attempts + due.stopped::int,
        error_message = case
          when due.given_up then
            'The import stopped ten times in a row without getting any further. Start it again, with fewer days if it stops again'
          else job.error_message
        end,
        last_error_at = case when due.stopped then v_now else job.last_error_at end,
        completed_at = case when due.given_up then v_now end,
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

-- How many wait at one of an agency's numbers.
create or replace function batchline.count_waiting_at(p_agency_id uuid, p_phone_number text)
returns bigint
language sql stable set search_path = ''
as $$
  select count(*)
  from public.campaign_contacts
  where agency_id = p_agency_id and phone_number = p_phone_number and status in ('pending', 'queued');
$$;

-- Notes at which of these numbers people still wait, for skip_forbidden; how many people.
create or replace function batchline.leave_to_skip(p_agency_id uuid, p_phone_numbers text[])
returns bigint
language plpgsql volatile set search_path = ''
as $$
declare
  v_numbers text[];
  v_people bigint;
begin
  select array_agg(waiting.phone_number), coalesce(sum(waiting.n), 0)
  into v_numbers, v_people
  from (
    select forbidden.phone_number, batchline.count_waiting_at(p_agency_id, forbidden.phone_number) as n
    from unnest(p_phone_numbers) as forbidden (phone_number)
    offset 0
  ) as waiting
  where waiting.n > 0;
  update public.do_not_call
  set skipping = true
  where agency_id = p_agency_id and phone_number = any (v_numbers) and not skipping;
  return v_people;
end;
$$;

-- pending, queued -> skipped: so many of those who wait at numbers of the do-not-call list; how many. The trail names who
-- put the number there. The agency is locked.
create or replace function batchline.skip_numbers(p_agency_id uuid, p_phone_numbers text[], p_limit int)
returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_note constant text := 'On the do-not-call list';
  v_ids uuid[];
  v_batches uuid[];
  v_skipped int;
begin
  select array_agg(found.id), array_agg(distinct found.batch_id)
  into v_ids, v_batches
  from (
    select waiting.*
    from unnest(p_phone_numbers) as listed (phone_number)
    cross join lateral (
      select contact.id, contact.batch_id from public.campaign_contacts as contact
      where contact.agency_id = p_agency_id and contact.phone_number = listed.phone_number
        and contact.status in ('pending', 'queued')
      offset 0
    ) as waiting
    limit p_limit
  ) as found;
  perform batchline.lock_batches(v_batches);
  with skipped as (
    update public.campaign_contacts as contact
    set status = 'skipped',
        next_attempt_at = null,
        completed_at = v_now,
        outcome_notes = v_note,
        reason = v_note,
        reason_at = v_now
    where contact.id = any (v_ids) and contact.status in ('pending', 'queued')
    returning contact.id, contact.batch_id, contact.phone_number
  )
  insert into public.call_events (agency_id, batch_id, contact_id, event, reason, detail, actor, at)
  select p_agency_id, skipped.batch_id, skipped.id, 'skipped', v_note,
         jsonb_strip_nulls(jsonb_build_object('rule', 'do_not_call', 'asked_in_call', listed.call_id)), listed.added_by, v_now
  from skipped
  join public.do_not_call as listed on listed.agency_id = p_agency_id and listed.phone_number = skipped.phone_number;
  get diagnostics v_skipped = row_count;
  perform batchline.complete_batches(v_batches);
  return v_skipped;
end;
$$;

-- Puts numbers on an agency's do-not-call list and takes who waits at them out of all its batches; what is claimed is
-- released before. After the commit no call to them begins: begin_dial waits for the same lock, then reads the list.
-- The batches of live calls are locked too. Webhooks put contacts back under the batch's lock alone: so they either have
-- done it by now, or read the list. The numbers come without repeats. Planned anew each time, as dial_room is.
-- To skip a hundred thousand would take longer than a request may: those beyond v_at_once are left to skip_forbidden, and
-- counted as skipped here, since they are not called any more.
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
  v_skipped bigint;
  v_at_once constant int := 2000;
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

  v_skipped := batchline.skip_numbers(p_agency_id, p_phone_numbers, v_at_once);
  if v_skipped = v_at_once then
    v_skipped := v_skipped + batchline.leave_to_skip(p_agency_id, p_phone_numbers);
  end if;
  perform batchline.complete_batches(v_batches);
  return jsonb_build_object(
    'added', v_added, 'already_listed', cardinality(p_phone_numbers) - v_added, 'contacts_skipped', v_skipped
  );
end;
$$;

-- What forbid_numbers left to be done: a bounded part of those who wait at numbers on the do-not-call list; whether more
-- are left. Nobody at them is dialled meanwhile, since claim and begin read the list. The agency is locked.
create or replace function batchline.skip_forbidden(p_agency_id uuid)
returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_numbers text[] := array(
    select phone_number from public.do_not_call where agency_id = p_agency_id and skipping order by id limit 1000
  );
begin
  if v_numbers = '{}' then
    return false;
  end if;
  perform batchline.skip_numbers(p_agency_id, v_numbers, 1000);
  update public.do_not_call
  set skipping = false
  where agency_id = p_agency_id and phone_number = any (v_numbers)
    and batchline.count_waiting_at(p_agency_id, phone_number) = 0;
  return exists (select from public.do_not_call where agency_id = p_agency_id and skipping);
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
    'erased', p_import.erased,
    'attempts', p_import.attempts,
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
        'duplicates_skipped', v_import.duplicates_skipped, 'skipped', v_import.skipped, 'invalid', v_import.invalid,
        'erased', v_import.erased
      )
    );
    perform batchline.complete_batches(array[v_import.batch_id]);
  end if;
  return v_import;
end;
$$;

-- From now on the numbers may be dialled again, by contacts that are added from now on: who was skipped stays skipped.
-- So whoever is still to be skipped has to be, before.
create or replace function batchline.remove_from_do_not_call(p_user_id uuid, p_phone_numbers text[])
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_removed int;
begin
  perform batchline.lock_agency(v_user.agency_id);
  if exists (
    select from public.do_not_call
    where agency_id = v_user.agency_id and skipping and phone_number = any (p_phone_numbers)
  ) then
    perform batchline.refuse(
      409, 'still_skipping',
      'Some of the numbers were listed a moment ago and people at them are still being skipped. Please try again in a minute.'
    );
  end if;
  delete from public.do_not_call
  where agency_id = v_user.agency_id
    and phone_number = any (p_phone_numbers || array(  -- erased people too
      select batchline.erased_number(v_user.agency_id, phone_number) from unnest(p_phone_numbers) as listed (phone_number)
    ));
  get diagnostics v_removed = row_count;
  return jsonb_build_object('removed', v_removed);
end;
$$;

-- The import that has waited longest of those whose file is there and that no worker has: pending, or in_progress
-- without a valid lease -> in_progress with a lease. Null where there is none. A lease that ran out is a worker that
-- stopped without a word: a failed run like others, and after ten in a row the next worker ends the import.
-- Planned anew each time, so that an agency's run reads that agency's lists and no others.
create or replace function batchline.claim_contact_import(
  p_worker text, p_lease_seconds double precision, p_agency_id uuid default null
)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_sort = off set jit = off
set plan_cache_mode = force_custom_plan
as $$
declare
  v_now timestamptz := batchline.clock();
  v_import public.contact_imports;
begin
  update public.contact_imports as list
  set status = 'in_progress',
      claimed_by = p_worker,
      claimed_until = v_now + make_interval(secs => p_lease_seconds),
      attempts = list.attempts + (list.claimed_by is not null)::int,
      last_error_at = case when list.claimed_by is not null then v_now else list.last_error_at end,
      resume_after = null,
      started_at = coalesce(list.started_at, v_now),
      last_activity_at = v_now
  where list.id = (
    select id
    from public.contact_imports
    where status in ('pending', 'in_progress')
      and size_bytes is not null
      and (p_agency_id is null or agency_id = p_agency_id)
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

-- Of the contacts of a chunk, who is to be stored, and a fault for each who has been erased since the file was asked for:
-- when it was written nobody can tell, and it may well have been before. Such a row is not stored, not even for a moment.
create or replace function batchline.split_erased(
  p_import public.contact_imports, p_contacts jsonb, out kept jsonb, out faults jsonb
)
language plpgsql stable set search_path = ''
as $$
begin
  kept := p_contacts;
  faults := '[]';
  if exists (
    select from public.erasures where agency_id = p_import.agency_id and created_at >= p_import.created_at
  ) then
    select coalesce(jsonb_agg(list.contact order by list.place) filter (where erased.at is null), '[]'),
           coalesce(jsonb_agg(
             jsonb_build_array(list.contact -> 'row', null, 'erased', to_char(erased.at at time zone 'UTC', 'YYYY-MM-DD'))
           ) filter (where erased.at is not null), '[]')
    into kept, faults
    from jsonb_array_elements(p_contacts) with ordinality as list (contact, place)
    cross join lateral (
      select max(created_at) as at
      from public.erasures
      where agency_id = p_import.agency_id and created_at >= p_import.created_at
        and number_hash = batchline.erased_number(p_import.agency_id, list.contact ->> 'phone_number')
    ) as erased;
  end if;
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
  v_split record := batchline.split_erased(p_import, p_chunk -> 'contacts');
  v_done jsonb := batchline.append_contacts(p_batch, v_split.kept);
  v_known int := jsonb_array_length(v_done -> 'duplicates');
  v_faults jsonb := (p_chunk -> 'faults') || v_split.faults;
  v_import public.contact_imports;
begin
  if v_known > 0 then
    v_faults := v_faults || (
      select jsonb_agg(jsonb_build_array(v_split.kept -> (place::int - 1) -> 'row', null, 'duplicate', null))
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
      erased = list.erased + jsonb_array_length(v_split.faults),
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
      when v_import.rows_read = v_import.invalid + v_import.erased then
        format('None of the %s rows could be used; the report says why', v_import.rows_read)
    end;
    v_import := batchline.end_contact_import(
      v_import, case when v_failure is null then 'completed' else 'failed' end, v_failure, p_report_rows
    );
  end if;
  return batchline.contact_import_progress(v_import, p_worker);
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

  -- What a list called its columns, and why it failed.
  update public.contact_imports
  set columns = batchline.without_number(columns::text, p_phone_number)::jsonb,
      error_message = batchline.without_number(error_message, p_phone_number)
  where agency_id = p_agency_id and position(v_digits in concat_ws(' ', columns::text, error_message)) > 0;
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

-- Of an agency's lists, the imports whose report may still name somebody who was erased, since a column of the list did;
-- and those that are over, whose link let a file be put after them that nobody reads.
create or replace function batchline.list_objects(p_agency_id uuid)
returns jsonb
language sql volatile set search_path = ''
as $$
  select jsonb_build_object(
    'reports', coalesce(jsonb_agg(id order by id) filter (
      where report_rows > 0 and position('[erased]' in columns::text) > 0
    ), '[]'),
    'lists', coalesce(jsonb_agg(id order by id) filter (where status in ('completed', 'failed')), '[]')
  )
  from public.contact_imports
  where agency_id = p_agency_id and created_at > batchline.clock() - interval '31 days';  -- objects are kept for 30
$$;

-- The batches of the lists that name a number beside their rows: as a column, or in why they failed.
create or replace function batchline.lists_naming(p_agency_id uuid, p_phone_number text)
returns uuid[]
language sql stable set search_path = ''
as $$
  select array(
    select batch_id
    from public.contact_imports
    where agency_id = p_agency_id
      and position(substr(p_phone_number, 2) in concat_ws(' ', columns::text, error_message)) > 0
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
  perform batchline.await_agency(v_agency_id);
  insert into public.erasure_salts (agency_id) values (v_agency_id) on conflict (agency_id) do nothing;
  v_hash := batchline.erased_number(v_agency_id, p_phone_number);

  select array_agg(distinct contact.batch_id), array_agg(contact.id)
  into v_batch_ids, v_contact_ids
  from public.call_batches as batch
  join public.campaign_contacts as contact
    on contact.batch_id = batch.id and contact.phone_number in (p_phone_number, v_hash)
  where batch.agency_id = v_agency_id;
  v_batch_ids := v_batch_ids || batchline.lists_naming(v_agency_id, p_phone_number);
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
  ) || batchline.list_objects(v_agency_id);
end;
$$;

revoke all on function
  batchline.contact_notice(public.campaign_contacts),
  batchline.count_waiting_at(uuid, text),
  batchline.leave_to_skip(uuid, text[]),
  batchline.list_objects(uuid),
  batchline.lists_naming(uuid, text),
  batchline.note_skipped_contacts(),
  batchline.skip_forbidden(uuid),
  batchline.skip_numbers(uuid, text[], int),
  batchline.split_erased(public.contact_imports, jsonb)
from public, anon, authenticated;
grant execute on function
  batchline.contact_notice(public.campaign_contacts),
  batchline.count_waiting_at(uuid, text),
  batchline.leave_to_skip(uuid, text[]),
  batchline.list_objects(uuid),
  batchline.lists_naming(uuid, text),
  batchline.note_skipped_contacts(),
  batchline.skip_forbidden(uuid),
  batchline.skip_numbers(uuid, text[], int),
  batchline.split_erased(public.contact_imports, jsonb)
to service_role;
