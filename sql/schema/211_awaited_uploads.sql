-- Imports whose file has not been seen yet, those first that were not asked for longest.
create function batchline.awaited_uploads(p_limit int)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_sort = off set jit = off
as $$
declare
  v_ids jsonb;
begin
  with awaited as (
    select id
    from public.contact_imports
    where status = 'pending' and size_bytes is null
    order by asked_at nulls first, id
    limit p_limit
    for no key update skip locked
  ), asked as (
    update public.contact_imports as list
    set asked_at = batchline.clock()
    from awaited
    where list.id = awaited.id
    returning list.id
  )
  select coalesce(jsonb_agg(id), '[]') into v_ids from asked;
  return v_ids;
end;
$$;
