-- 60 a minute and 100 at once for everybody, more where the agency's plan allows more.
create function batchline.require_pace(p_agency public.agencies, p_calls_per_minute int, p_max_concurrent int)
returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if p_calls_per_minute not between 1 and greatest(60, p_agency.max_calls_per_minute) then
    perform batchline.refuse(
      400, 'out_of_range',
      format('calls_per_minute must be between 1 and %s', greatest(60, p_agency.max_calls_per_minute)),
      '{"field": "calls_per_minute"}'
    );
  end if;
  if p_max_concurrent not between 1 and greatest(100, p_agency.max_concurrent_calls) then
    perform batchline.refuse(
      400, 'out_of_range',
      format('max_concurrent must be between 1 and %s', greatest(100, p_agency.max_concurrent_calls)),
      '{"field": "max_concurrent"}'
    );
  end if;
end;
$$;
