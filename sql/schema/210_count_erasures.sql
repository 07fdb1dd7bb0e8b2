-- How many people an agency has had erased: an export asks before its first page and after its last.
create function batchline.count_erasures(p_agency_id uuid)
returns bigint
language sql stable set search_path = ''
as $$
  select count(*) from public.erasures where agency_id = p_agency_id;
$$;
