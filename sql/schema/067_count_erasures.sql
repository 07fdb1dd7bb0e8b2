-- How many people the caller's agency has had erased: an export asks before and after.
create function public.count_erasures()
returns bigint
language sql stable set search_path = ''
as $$
  select count(*) from public.erasures where agency_id = public.my_agency_id();
$$;
