-- A text without a number, however its plus sign was written.
create function batchline.without_number(p_text text, p_phone_number text)
returns text
language sql immutable set search_path = ''
as $$
  select replace(replace(p_text, p_phone_number, '[erased]'), substr(p_phone_number, 2), '[erased]');
$$;
