-- All of the agency's batches, also those that people made. With the plan made for these arguments, of the orders only
-- the one asked for is left; newest first is an index's own order.
create function batchline.list_batch_calls(
  p_api_key text, p_secret_hash text, p_limit int, p_offset bigint, p_sort_by text, p_ascending boolean
)
returns jsonb
language plpgsql volatile set search_path = '' set plan_cache_mode = force_custom_plan
as $$
declare
  v_key public.api_keys := batchline.require_api_key(p_api_key, p_secret_hash, false);
  v_total bigint;
  v_page jsonb;
begin
  select count(*) into v_total
  from public.call_batches
  where agency_id = v_key.agency_id and deleted_at is null;

  select coalesce(jsonb_agg(batchline.batch_call_json(page.batch) order by page.place), '[]')
  into v_page
  from (
    select found.batch, row_number() over () as place
    from (
      select batch
      from public.call_batches as batch
      where agency_id = v_key.agency_id and deleted_at is null
      order by
        case when p_ascending and p_sort_by = 'created_at' then created_at end,
        case when not p_ascending and p_sort_by = 'created_at' then created_at end desc,
        case when p_ascending and p_sort_by = 'updated_at' then updated_at end,
        case when not p_ascending and p_sort_by = 'updated_at' then updated_at end desc,
        case when p_ascending and p_sort_by = 'name' then name end,
        case when not p_ascending and p_sort_by = 'name' then name end desc nulls last,
        case when p_ascending then id end,
        case when not p_ascending then id end desc
      limit p_limit offset p_offset
    ) as found
  ) as page;
  return jsonb_build_object('batches', v_page, 'total', v_total);
end;
$$;
