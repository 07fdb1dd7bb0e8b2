-- What an export needs to know before its first page: whose batch it is, its name, the names of its custom fields (null
-- where there are more than 100) and how many people the agency has erased.
create function public.export_outline(p_batch_id uuid)
returns jsonb
language plpgsql stable
set search_path = '' set enable_seqscan = off set plan_cache_mode = force_custom_plan set jit = off
as $$
declare
  v_agency_id uuid := public.my_agency_id();
  v_batch public.v_call_batch_summary;
  v_fields text[];
begin
  select * into v_batch from public.v_call_batch_summary where id = p_batch_id and agency_id = v_agency_id;
  if not found then
    raise exception using
      errcode = 'PT404',
      message = 'Batch not found or does not belong to the user''s agency',
      detail = '{"code": "batch_not_found"}';
  end if;
  select array_agg(found.field order by found.field)
  into v_fields
  from (
    select distinct field
    from public.campaign_contacts
    cross join lateral jsonb_object_keys(custom_data) as field
    where batch_id = p_batch_id
    limit 101
  ) as found;
  return jsonb_build_object(
    'agency_id', v_agency_id,
    'name', v_batch.name,
    'custom_fields', case
      when v_fields is null then '[]'
      when cardinality(v_fields) <= 100 then to_jsonb(v_fields)
    end,
    'erasures', public.count_erasures()
  );
end;
$$;
