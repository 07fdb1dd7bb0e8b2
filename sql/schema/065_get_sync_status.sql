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
