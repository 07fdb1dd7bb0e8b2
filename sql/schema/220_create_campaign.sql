-- Calling hours that are not there at all are left to the default; JSON's null turns them off.
create function batchline.create_campaign(p_user_id uuid, p_campaign jsonb, p_once jsonb default null)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_answer jsonb := batchline.recall_answer(v_user.agency_id, 'campaigns-create', p_once);
  v_campaign public.campaigns;
begin
  if v_answer is not null then
    return v_answer;
  end if;
  perform batchline.require_time_zone(
    nullif(p_campaign #>> '{calling_hours,timezone}', 'recipient'), 'calling_hours.timezone'
  );
  insert into public.campaigns (agency_id, name, calling_hours, retry, created_by)
  values (
    v_user.agency_id, p_campaign ->> 'name', p_campaign -> 'calling_hours', nullif(p_campaign -> 'retry', 'null'),
    v_user.id
  )
  returning * into v_campaign;
  return batchline.keep_answer(v_user.agency_id, 'campaigns-create', p_once, public.campaign_json(v_campaign));
end;
$$;
