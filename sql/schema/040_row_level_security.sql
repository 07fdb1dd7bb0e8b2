-- A user reads the rows of their own agency and writes nothing; service_role bypasses row-level security.
-- (select auth.uid()) is evaluated once a statement, not once a row.
create policy users_read_themselves on public.users for select to authenticated
  using (id = (select auth.uid()));

create policy agencies_are_read_by_their_users on public.agencies for select to authenticated
  using (id = (select agency_id from public.users where id = (select auth.uid())));

create policy campaigns_are_read_by_their_agency on public.campaigns for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

create policy agent_mappings_are_read_by_their_agency on public.agent_mappings for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

create policy phone_numbers_are_read_by_their_agency on public.agency_phone_numbers for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

create policy do_not_call_is_read_by_its_agency on public.do_not_call for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

create policy call_batches_are_read_by_their_agency on public.call_batches for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())) and deleted_at is null);

create policy batch_zones_are_read_by_their_agency on public.call_batch_zones for select to authenticated
  using (
    agency_id = (select agency_id from public.users where id = (select auth.uid()))
    and exists (select from public.call_batches as batch where batch.id = batch_id)
  );

create policy contacts_are_read_by_their_agency on public.campaign_contacts for select to authenticated
  using (
    agency_id = (select agency_id from public.users where id = (select auth.uid()))
    and exists (select from public.call_batches as batch where batch.id = batch_id)  -- one that they may read
  );

create policy calls_are_read_by_their_agency on public.calls for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

create policy call_events_are_read_by_their_agency on public.call_events for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

create policy sync_jobs_are_read_by_their_agency on public.historical_sync_jobs for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

create policy sync_failures_are_read_by_their_agency on public.historical_sync_failures for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

create policy contact_imports_are_read_by_their_agency on public.contact_imports for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));
create policy api_keys_are_read_by_their_agency on public.api_keys for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

create policy notice_endpoints_are_read_by_their_agency on public.notice_endpoints for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

create policy notices_are_read_by_their_agency on public.notices for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

create policy erasures_are_read_by_their_agency on public.erasures for select to authenticated
  using (agency_id = (select agency_id from public.users where id = (select auth.uid())));

-- Of no agency: whoever belongs to one may know whether the processors run.
create policy processor_runs_are_read_by_every_agency on public.processor_runs for select to authenticated
  using (exists (select from public.users where id = (select auth.uid()) and agency_id is not null));

-- Of the service alone. What no policy names is closed as well; that it is meant to be, is said here.
create policy idempotent_answers_are_read_by_nobody on public.idempotent_answers for select to authenticated
  using (false);

create policy contact_import_faults_are_read_by_nobody on public.contact_import_faults for select to authenticated
  using (false);

create policy counted_requests_are_read_by_nobody on public.counted_requests for select to authenticated
  using (false);

create policy erasure_salts_are_read_by_nobody on public.erasure_salts for select to authenticated
  using (false);

alter table public.agencies enable row level security;
alter table public.users enable row level security;
alter table public.campaigns enable row level security;
alter table public.agent_mappings enable row level security;
alter table public.agency_phone_numbers enable row level security;
alter table public.do_not_call enable row level security;
alter table public.call_batches enable row level security;
alter table public.call_batch_zones enable row level security;
alter table public.campaign_contacts enable row level security;
alter table public.calls enable row level security;
alter table public.call_events enable row level security;
alter table public.historical_sync_jobs enable row level security;
alter table public.historical_sync_failures enable row level security;
alter table public.contact_imports enable row level security;
alter table public.api_keys enable row level security;
alter table public.idempotent_answers enable row level security;
alter table public.contact_import_faults enable row level security;
alter table public.counted_requests enable row level security;
alter table public.notice_endpoints enable row level security;
alter table public.notices enable row level security;
alter table public.erasures enable row level security;
alter table public.erasure_salts enable row level security;
alter table public.processor_runs enable row level security;
