-- Newest first. A cursor is the id of the last number shown, so that every page costs the same.
create function public.list_do_not_call(p_limit int, p_cursor bigint)
returns jsonb
language plpgsql stable
set search_path = '' set enable_seqscan = off set enable_sort = off set plan_cache_mode = force_custom_plan set jit = off
as $$
declare
  v_agency_id uuid := public.my_agency_id();
  v_numbers jsonb;
  v_last bigint;
  v_more boolean;
begin
  -- One number more than the page: whether there is more is then known without a second look.
  select coalesce(
           jsonb_agg(
             jsonb_build_object(
               'phone_number', found.phone_number,
               'reason', found.reason,
               'added_by', found.added_by,
               'call_id', found.call_id,
               'created_at', public.iso_utc(found.created_at)
             )
             order by found.id desc
           ) filter (where found.place <= p_limit),
           '[]'
         ),
         min(found.id) filter (where found.place <= p_limit),
         coalesce(bool_or(found.place > p_limit), false)
  into v_numbers, v_last, v_more
  from (
    select page.*, row_number() over (order by page.id desc) as place
    from (
      select * from public.do_not_call
      where agency_id = v_agency_id and (p_cursor is null or id < p_cursor)
      order by id desc
      limit p_limit + 1
    ) as page
  ) as found;

  return jsonb_build_object(
    'numbers', v_numbers,
    'pagination', jsonb_build_object(
      'limit', p_limit, 'has_more', v_more, 'next_cursor', case when v_more then v_last::text end
    )
  );
end;
$$;
