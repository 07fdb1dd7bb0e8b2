-- The window in which p_now lies, or the next one. Where holidays leave none for eight days: closed until then.
create function batchline.next_window(
  p_hours jsonb, p_time_zones text[], p_now timestamptz, out opens_at timestamptz, out closes_at timestamptz
)
language plpgsql stable set search_path = ''
as $$
begin
  select found.opens_at, found.closes_at into opens_at, closes_at
  from public.calling_windows(p_hours, p_time_zones, p_now - interval '1 day', p_now + interval '8 days') as found
  where found.closes_at > p_now
  order by found.opens_at
  limit 1;
  if not found then
    opens_at := p_now + interval '8 days';
    closes_at := opens_at;
  end if;
end;
$$;
