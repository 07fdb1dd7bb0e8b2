-- The database reckons the hours, so a zone must be one that it knows too. Null is none and passes.
create function batchline.require_time_zone(p_name text, p_field text)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
begin
  if p_name is not null and not exists (select from public.offset_spans(p_name, v_now, v_now)) then
    perform batchline.refuse(
      400, 'bad_request', p_field || ' must be a time zone that the database knows, such as America/New_York',
      jsonb_build_object('field', p_field)
    );
  end if;
end;
$$;
