-- What an agency's plan allows; null leaves a limit as it is.
create function batchline.set_limits(
  p_agency_id uuid, p_max_calls_per_minute int default null, p_max_concurrent_calls int default null,
  p_default_calls_per_minute int default null, p_default_max_concurrent int default null,
  p_max_requests_per_minute int default null
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_agency public.agencies := batchline.require_agency(p_agency_id);
begin
  update public.agencies
  set max_calls_per_minute = coalesce(p_max_calls_per_minute, max_calls_per_minute),
      max_concurrent_calls = coalesce(p_max_concurrent_calls, max_concurrent_calls),
      default_calls_per_minute = coalesce(p_default_calls_per_minute, default_calls_per_minute),
      default_max_concurrent = coalesce(p_default_max_concurrent, default_max_concurrent),
      max_requests_per_minute = coalesce(p_max_requests_per_minute, max_requests_per_minute)
  where id = v_agency.id
  returning * into v_agency;
  return batchline.agency_json(v_agency);
end;
$$;
