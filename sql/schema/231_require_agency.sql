-- The agency that an operator names, its row locked.
create function batchline.require_agency(p_agency_id uuid)
returns public.agencies
language plpgsql volatile set search_path = ''
as $$
declare
  v_agency public.agencies;
begin
  select * into v_agency from public.agencies where id = p_agency_id for no key update;
  if not found then
    perform batchline.refuse(404, 'agency_not_found', 'There is no agency with this id');
  end if;
  return v_agency;
end;
$$;
