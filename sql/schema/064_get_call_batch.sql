-- One batch, its history and a page of its contacts, in list order. A cursor is the position of the last contact shown, so that
-- every page costs the same; the total comes from the counters, not from a count.
create function public.get_call_batch(
  p_batch_id uuid, p_contact_status text, p_contact_limit int, p_contact_offset int, p_contact_cursor bigint
)
returns jsonb
language plpgsql stable
set search_path = '' set enable_seqscan = off set enable_sort = off set plan_cache_mode = force_custom_plan set jit = off
as $$
declare
  v_agency_id uuid := public.my_agency_id();
  v_batch public.v_call_batch_summary;
  v_total int;
  v_contacts jsonb;
  v_last int;
  v_more boolean;
begin
  select * into v_batch from public.v_call_batch_summary where id = p_batch_id and agency_id = v_agency_id;
  if not found then
    raise exception using
      errcode = 'PT404',
      message = 'Batch not found or does not belong to the user''s agency',
      detail = '{"code": "batch_not_found"}';
  end if;
  v_total := coalesce((to_jsonb(v_batch) ->> p_contact_status)::int, v_batch.total_contacts);

  -- One contact more than the page: whether there is more is then known without a second look.
  select coalesce(
           jsonb_agg(public.contact_json(found.contact) order by found.place) filter (where found.place <= p_contact_limit),
           '[]'
         ),
         max((found.contact).position) filter (where found.place <= p_contact_limit),
         coalesce(bool_or(found.place > p_contact_limit), false)
  into v_contacts, v_last, v_more
  from (
    select page.contact, row_number() over (order by (page.contact).position) as place
    from (
      select contact
      from public.campaign_contacts as contact
      where batch_id = p_batch_id
        and (p_contact_status is null or status = p_contact_status)
        and position > coalesce(p_contact_cursor, -1)
      order by contact.position
      limit p_contact_limit + 1 offset case when p_contact_cursor is null then p_contact_offset else 0 end
    ) as page
  ) as found;

  return jsonb_build_object(
    'batch', public.batch_json(v_batch),
    'forecast', public.batch_forecast(p_batch_id, public.reading_time()),
    'history', public.batch_history(p_batch_id),
    'contacts', v_contacts,
    'contact_pagination', jsonb_build_object(
      'total', v_total,
      'limit', p_contact_limit,
      'offset', p_contact_offset,
      'has_more', v_more,
      'next_cursor', case when v_more then v_last::text end
    )
  );
end;
$$;
