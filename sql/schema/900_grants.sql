-- Supabase grants everything in public to anon and authenticated by default; here nothing is open but what is named.
revoke all on all tables in schema public from anon, authenticated;
revoke all on all sequences in schema public from anon, authenticated;
revoke all on all functions in schema public from public, anon, authenticated;
revoke all on all functions in schema batchline from public, anon, authenticated;

grant usage on schema batchline to service_role;
grant execute on all functions in schema batchline to service_role;
grant select, insert, update, delete on all tables in schema public to service_role;
grant execute on all functions in schema public to service_role;
-- Append-only for everybody who is not the owner. (Foreign keys that set null act as the owner.)
revoke update, delete, truncate on public.call_events from service_role;

-- Leases, raw payloads, hashes of secrets and what only the dialler needs stay with service_role.
grant select on
  public.users, public.campaigns, public.agent_mappings, public.agency_phone_numbers, public.do_not_call,
  public.call_batches, public.call_batch_zones, public.campaign_contacts, public.v_call_batch_summary
to authenticated;
grant select (
  id, public_id, name, max_calls_per_minute, max_concurrent_calls, created_at, default_calls_per_minute,
  default_max_concurrent, provider_concurrent_calls, max_daily_calls_per_number, minutes_between_batches
)
  on public.agencies to authenticated;
grant select (
  id, status, agency_id, batch_id, contact_id, agent_mapping_id, ultravox_call_id, to_number, from_number, attempt,
  began_at, accepted_at, joined_at, ended_at, outcome, end_reason, reason, duration_seconds, billed_duration_seconds,
  billing_status, short_summary, summary, created_at, is_live
) on public.calls to authenticated;
grant select (id, agency_id, batch_id, contact_id, call_id, event, reason, detail, actor, at)
  on public.call_events to authenticated;
grant select (
  id, status, agency_id, date_from, date_to, total_calls, processed_calls, imported_calls, updated_calls, skipped_calls,
  failed_calls, oldest_call_at, newest_call_at, error_message, last_error_at, created_by, created_at, started_at,
  completed_at, last_activity_at
) on public.historical_sync_jobs to authenticated;
grant select on public.historical_sync_failures to authenticated;
grant select (
  id, status, agency_id, batch_id, expires_at, size_bytes, cursor, rows_seen, rows_read, added, duplicates_skipped,
  skipped, invalid, columns, report_rows, error_message, created_by, created_at, started_at, completed_at,
  last_activity_at, erased
) on public.contact_imports to authenticated;
grant select (id, agency_id, name, api_key, created_by, created_at, last_used_at, revoked_at)
  on public.api_keys to authenticated;
grant select (
  agency_id, url, events, active, disabled_reason, previous_until, updated_by, created_at, updated_at
) on public.notice_endpoints to authenticated;
grant select (
  id, seq, status, agency_id, batch_id, contact_id, event, attempts, next_attempt_at, last_answer, last_error,
  created_at, finished_at
) on public.notices to authenticated;
grant select on public.erasures to authenticated;
grant select on public.processor_runs to authenticated;

grant execute on function
  public.iso_utc(timestamptz),
  public.my_agency_id(),
  public.reading_time(),
  public.batch_json(public.v_call_batch_summary),
  public.contact_json(public.campaign_contacts),
  public.api_key_json(public.api_keys),
  public.list_api_keys(),
  public.offset_spans(text, timestamptz, timestamptz),
  public.zone_windows(jsonb, text, timestamptz, timestamptz),
  public.calling_windows(jsonb, text[], timestamptz, timestamptz),
  public.forecast_segments(jsonb, jsonb, timestamptz, timestamptz),
  public.forecast_end(jsonb, jsonb, double precision, timestamptz, timestamptz),
  public.forecast_queues(public.call_batches),
  public.forecast_rate(public.call_batches),
  public.batch_forecast(uuid, timestamptz),
  public.contact_hours(public.campaign_contacts),
  public.get_contact(uuid),
  public.batch_history(uuid),
  public.export_contacts(uuid, int, int),
  public.export_calls(uuid, int, int),
  public.list_call_batches(text, uuid, int, int),
  public.get_call_batch(uuid, text, int, int, bigint),
  public.get_sync_status(),
  public.list_do_not_call(int, bigint),
  public.campaign_json(public.campaigns),
  public.list_campaigns(int, int),
  public.get_contact_import(uuid),
  public.notice_json(public.notices),
  public.notice_endpoint_json(public.notice_endpoints),
  public.list_notices(text, uuid, int, bigint),
  public.get_status(),
  public.processors()
to authenticated;
