-- An agency as an operator sees it.
create function batchline.agency_json(p_agency public.agencies)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'agency_id', p_agency.id,
    'public_id', p_agency.public_id,
    'name', p_agency.name,
    'max_calls_per_minute', p_agency.max_calls_per_minute,
    'max_concurrent_calls', p_agency.max_concurrent_calls,
    'default_calls_per_minute', p_agency.default_calls_per_minute,
    'default_max_concurrent', p_agency.default_max_concurrent,
    'max_requests_per_minute', p_agency.max_requests_per_minute,
    'created_at', public.iso_utc(p_agency.created_at)
  );
$$;
