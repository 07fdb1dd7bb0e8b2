-- What a batch is made of. Another agency's id reads as not found, and so does an inactive one.
create function batchline.require_agent(p_agency_id uuid, p_id uuid, p_field text default 'agent_mapping_id')
returns public.agent_mappings
language plpgsql stable set search_path = ''
as $$
declare
  v_agent public.agent_mappings;
begin
  select * into v_agent from public.agent_mappings where id = p_id and agency_id = p_agency_id and active;
  if not found then
    perform batchline.refuse(
      404, 'agent_not_found', p_field || ': agent not found or does not belong to the user''s agency'
    );
  end if;
  return v_agent;
end;
$$;
