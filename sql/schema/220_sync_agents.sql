-- The agency's agents as the provider lists them, all of them: new ones are made, changed ones follow, and who is not on
-- the list any more is inactive, until they are on it again. One that was made inactive for another reason stays so.
create function batchline.sync_agents(p_user_id uuid, p_agents jsonb)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users;
  v_now timestamptz;
  v_counts jsonb;
begin
  -- Asked and counted by authorize before the provider was; what has changed since is asked here.
  select * into v_user from public.users where id = p_user_id and role in ('agency_owner', 'agency_admin');
  if v_user.agency_id is null then
    perform batchline.refuse(403, 'forbidden', 'User role is not agency_owner or agency_admin');
  end if;
  perform batchline.await_agency(v_user.agency_id);
  v_now := batchline.clock();
  with listed as (
    select * from jsonb_to_recordset(p_agents)
      as agent (id text, name text, max_duration_seconds int, recording_enabled boolean)
  ), created as (
    insert into public.agent_mappings (agency_id, ultravox_agent_id, name, max_duration_seconds, recording_enabled)
    select v_user.agency_id, id, name, max_duration_seconds, recording_enabled
    from listed
    on conflict on constraint agent_mapping_is_unique_per_agency do nothing
    returning id
  ), updated as (
    update public.agent_mappings as known
    set name = listed.name,
        max_duration_seconds = listed.max_duration_seconds,
        recording_enabled = listed.recording_enabled,
        active = known.active or known.gone_at is not null,
        gone_at = null
    from listed
    where known.agency_id = v_user.agency_id and known.ultravox_agent_id = listed.id
      and (known.name, known.max_duration_seconds, known.recording_enabled, known.gone_at)
        is distinct from (listed.name, listed.max_duration_seconds, listed.recording_enabled, null)
    returning known.id
  ), gone as (
    update public.agent_mappings
    set active = false, gone_at = v_now
    where agency_id = v_user.agency_id and active and ultravox_agent_id not in (select id from listed)
    returning id
  )
  select jsonb_build_object(
    'created', (select count(*) from created),
    'updated', (select count(*) from updated),
    'unchanged',
      (select count(*) from listed) - (select count(*) from created) - (select count(*) from updated),
    'deactivated', (select count(*) from gone)
  )
  into v_counts;
  return v_counts;
end;
$$;
