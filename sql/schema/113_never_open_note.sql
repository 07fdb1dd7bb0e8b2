create function batchline.never_open_note(p_time_zones text[])
returns text
language sql immutable set search_path = ''
as $$
  select 'Calling hours never come at the same time in ' || case
    when cardinality(p_time_zones) > 3 then format('the %s time zones that the number may be in', cardinality(p_time_zones))
    else array_to_string(p_time_zones, ' and ')
  end;
$$;
