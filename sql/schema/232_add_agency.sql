-- A new tenant, whose id its maker chooses: asked for again, it is there already, and nothing changes.
create function batchline.add_agency(p_id uuid, p_name text, p_public_id text default null)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_agency public.agencies;
begin
  insert into public.agencies (id, name, public_id)
  values (p_id, p_name, coalesce(p_public_id, substr(replace(gen_random_uuid()::text, '-', ''), 1, 20)))
  on conflict (id) do nothing;
  select * into v_agency from public.agencies where id = p_id;
  return batchline.agency_json(v_agency);
end;
$$;
