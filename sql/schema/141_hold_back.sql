-- How long a contact is held back when nothing was placed and it was not the contact's fault.
create function batchline.hold_back(p_result text)
returns interval
language sql immutable set search_path = ''
as $$
  select case p_result
    when 'refused' then interval '60 s'
    when 'unreachable' then interval '30 s'
    else interval '0'
  end;
$$;
