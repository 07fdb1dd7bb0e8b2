-- Newest first; same-instant batches by id too, so that paging never repeats or skips.
create function public.list_call_batches(p_status text, p_campaign_id uuid, p_limit int, p_offset int)
returns jsonb
language plpgsql stable
set search_path = '' set enable_seqscan = off set enable_sort = off set plan_cache_mode = force_custom_plan set jit = off
as $$
declare
  v_agency_id uuid := public.my_agency_id();
  v_total bigint;
  v_batches jsonb;
begin
  select count(*) into v_total
  from public.call_batches
  where agency_id = v_agency_id
    and (p_status is null or status = p_status)
    and (p_campaign_id is null or campaign_id = p_campaign_id);

  select coalesce(jsonb_agg(public.batch_json(page) order by page.created_at desc, page.id desc), '[]')
  into v_batches
  from (
    select *
    from public.v_call_batch_summary
    where agency_id = v_agency_id
      and (p_status is null or status = p_status)
      and (p_campaign_id is null or campaign_id = p_campaign_id)
    order by created_at desc, id desc
    limit p_limit offset p_offset
  ) as page;

  return jsonb_build_object(
    'batches', v_batches,
    'pagination', jsonb_build_object(
      'total', v_total,
      'limit', p_limit,
      'offset', p_offset,
      'has_more', p_offset + jsonb_array_length(v_batches) < v_total
    )
  );
end;
$$;
