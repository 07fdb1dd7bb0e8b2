-- A time of the provider's. PostgreSQL alone would read "yesterday" and "now" as well.
create function batchline.provider_time(p_text text)
returns timestamptz
language plpgsql stable set search_path = ''
as $$
begin
  if p_text !~ '^\d{4}-\d\d-\d\dT\d\d:\d\d' then
    raise exception using errcode = 'invalid_datetime_format', message = format('%L is no time', left(p_text, 40));
  end if;
  return p_text::timestamptz;
end;
$$;
