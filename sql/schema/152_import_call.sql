-- A call that is not ours becomes a row without a contact: it holds no slot and no place in a pace.
create function batchline.import_call(p_agency_id uuid, p_call jsonb)
returns text
language plpgsql volatile set search_path = ''
as $$
declare
  v_call_id uuid;
  v_new boolean;
begin
  insert into public.calls as call (
    status, agency_id, agent_mapping_id, ultravox_call_id, to_number, from_number, accepted_at, joined_at, ended_at,
    outcome, created_at
  )
  select batchline.call_status(p_call), p_agency_id, agent.id, (p_call ->> 'callId')::uuid,
         batchline.call_number(p_call, 'to'), batchline.call_number(p_call, 'from'),
         (p_call ->> 'created')::timestamptz, (p_call ->> 'joined')::timestamptz, (p_call ->> 'ended')::timestamptz,
         case when p_call ->> 'ended' is not null then batchline.call_outcome(p_call) end,
         coalesce((p_call ->> 'created')::timestamptz, batchline.clock())
  from (select) as here
  left join public.agent_mappings as agent
    on agent.agency_id = p_agency_id
    and agent.ultravox_agent_id = coalesce(p_call #>> '{agent,agentId}', p_call ->> 'agentId')
  on conflict on constraint ultravox_call_is_unique_per_agency do update
  set status = excluded.status, joined_at = excluded.joined_at, ended_at = excluded.ended_at, outcome = excluded.outcome
  where call.contact_id is null and batchline.call_rank(p_call) > batchline.call_rank(call.raw)
  returning call.id, xmax = 0 into v_call_id, v_new;

  v_call_id := coalesce(v_call_id, batchline.match_call(p_agency_id, p_call));
  if not batchline.fill_call(v_call_id, p_call) and not coalesce(v_new, false) then
    return 'unchanged';
  end if;
  return case when v_new then 'imported' else 'applied' end;
end;
$$;
