-- What an export needs to know before its first page: whose batch it is, its name, the names of its custom fields (null
-- where there are more than 100) and how many people the agency has erased. Counts for the user's limit.
create function batchline.begin_export(p_user_id uuid, p_batch_id uuid)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set plan_cache_mode = force_custom_plan set jit = off
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, false);
  v_name text;
  v_fields text[];
begin
  select name into v_name
  from public.call_batches
  where id = p_batch_id and agency_id = v_user.agency_id and deleted_at is null;
  if not found then
    perform batchline.refuse(404, 'batch_not_found', 'Batch not found or does not belong to the user''s agency');
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
    'agency_id', v_user.agency_id,
    'name', v_name,
    'custom_fields', case
      when v_fields is null then '[]'
      when cardinality(v_fields) <= 100 then to_jsonb(v_fields)
    end,
    'erasures', batchline.count_erasures(v_user.agency_id)
  );
end;
$$;
