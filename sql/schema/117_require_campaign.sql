create function batchline.require_campaign(p_agency_id uuid, p_id uuid)
returns public.campaigns
language plpgsql stable set search_path = ''
as $$
declare
  v_campaign public.campaigns;
begin
  select * into v_campaign from public.campaigns where id = p_id and agency_id = p_agency_id;
  if not found then
    perform batchline.refuse(
      404, 'campaign_not_found', 'campaign_id: campaign not found or does not belong to the user''s agency'
    );
  end if;
  return v_campaign;
end;
$$;
