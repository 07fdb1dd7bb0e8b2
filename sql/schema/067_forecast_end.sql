-- When the last call begins of so many contacts in each set of time zones ([{"time_zones": […], "contacts": 12}]), if
-- p_per_second calls begin as long as somebody may be called: those whose hours are open are called in the measure in
-- which they are on the list. Null: not all of them by p_to.
create function public.forecast_end(
  p_hours jsonb, p_queues jsonb, p_per_second double precision, p_from timestamptz, p_to timestamptz
)
returns timestamptz
language plpgsql stable set search_path = ''
as $$
declare
  v_left double precision[] := array(
    select (queue ->> 'contacts')::double precision
    from jsonb_array_elements(p_queues) with ordinality as listed (queue, id)
    order by id
  );
  v_from timestamptz := p_from;
  v_end timestamptz := p_from;
  v_segment record;
  v_waiting double precision;
  v_share double precision;
begin
  while v_from < p_to loop
    for v_segment in
      select * from public.forecast_segments(p_hours, p_queues, v_from, least(v_from + interval '8 days', p_to))
    loop
      v_waiting := (select sum(v_left[id]) from unnest(v_segment.open) as id);
      continue when v_waiting = 0;
      v_share := least(1, p_per_second * extract(epoch from v_segment.until - v_segment.at) / v_waiting);
      v_end := v_segment.at + make_interval(secs => v_share * v_waiting / p_per_second);
      v_left := array(
        select waiting * case when open.id is null then 1 else 1 - v_share end
        from unnest(v_left) with ordinality as queue (waiting, id)
        left join unnest(v_segment.open) as open (id) on open.id = queue.id
        order by queue.id
      );
      if (select sum(waiting) from unnest(v_left) as waiting) = 0 then
        return v_end;
      end if;
    end loop;
    v_from := v_from + interval '8 days';
  end loop;
  return case when (select coalesce(sum(waiting), 0) from unnest(v_left) as waiting) = 0 then v_end end;
end;
$$;
