-- What others send as an id; no id at all is no error.
create function batchline.uuid_or_null(p_text text)
returns uuid
language sql immutable set search_path = ''
as $$
  select case when p_text ~* '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' then p_text::uuid end;
$$;
