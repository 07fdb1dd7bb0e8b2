-- A campaign as every answer shows it. Of calling hours it says what it was given: null turns them off, and nothing
-- leaves them to the default.
create function public.campaign_json(p_campaign public.campaigns)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_campaign.id,
    'name', p_campaign.name,
    'retry', p_campaign.retry,
    'created_by', p_campaign.created_by,
    'created_at', public.iso_utc(p_campaign.created_at)
  ) || case
    when p_campaign.calling_hours is null then '{}' else jsonb_build_object('calling_hours', p_campaign.calling_hours)
  end;
$$;
