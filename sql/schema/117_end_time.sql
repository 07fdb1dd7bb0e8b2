-- When a batch is to end; null: when everybody has been called. p_start_at: null is now.
create function batchline.end_time(p_time timestamptz, p_start_at timestamptz)
returns timestamptz
language plpgsql volatile set search_path = ''
as $$
begin
  if p_time <= coalesce(p_start_at, batchline.clock()) then
    perform batchline.refuse(400, 'bad_request', 'ends_at must lie after the start', '{"field": "ends_at"}');
  end if;
  return p_time;
end;
$$;
