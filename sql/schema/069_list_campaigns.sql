-- Newest first; same-instant campaigns by id too, so that paging never repeats or skips.
create function public.list_campaigns(p_limit int, p_offset int)
returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_agency_id uuid := public.my_agency_id();
  v_total bigint := (select count(*) from public.campaigns where agency_id = v_agency_id);
  v_campaigns jsonb;
begin
  select coalesce(jsonb_agg(public.campaign_json(page) order by page.created_at desc, page.id desc), '[]')
  into v_campaigns
  from (
    select * from public.campaigns
    where agency_id = v_agency_id
    order by created_at desc, id desc
    limit p_limit offset p_offset
  ) as page;
  return jsonb_build_object(
    'campaigns', v_campaigns,
    'pagination', jsonb_build_object(
      'total', v_total,
      'limit', p_limit,
      'offset', p_offset,
      'has_more', p_offset + jsonb_array_length(v_campaigns) < v_total
    )
  );
end;
$$;
