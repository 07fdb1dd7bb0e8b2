-- Those of the calls that are neither ours nor known yet, in one statement; their provider's ids. Raises a data
-- exception if one of them cannot be read.
create function batchline.insert_calls(p_agency_id uuid, p_calls jsonb)
returns uuid[]
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  v_inserted uuid[];
begin
  with inserted as (
    insert into public.calls (
      status, agency_id, agent_mapping_id, ultravox_call_id, to_number, from_number, accepted_at, joined_at, ended_at,
      outcome, end_reason, duration_seconds, billed_duration_seconds, billing_status, short_summary, summary, raw,
      created_at
    )
    select row.status, row.agency_id, agent.id, row.ultravox_call_id, row.to_number, row.from_number, row.accepted_at,
           row.joined_at, row.ended_at, row.outcome, row.end_reason, row.duration_seconds, row.billed_duration_seconds,
           row.billing_status, row.short_summary, row.summary, row.raw,
           coalesce(row.accepted_at, batchline.clock())
    from jsonb_array_elements(p_calls) as told (call)
    cross join lateral batchline.read_call(p_agency_id, told.call) as row
    left join public.agent_mappings as agent
      on agent.agency_id = p_agency_id
      and agent.ultravox_agent_id = coalesce(told.call #>> '{agent,agentId}', told.call ->> 'agentId')
    where not coalesce((
      -- By the id alone, or a planner without statistics reads all calls of the agency.
      select ours.agency_id = p_agency_id and ours.contact_id::text = told.call #>> '{metadata,contact_id}'
      from public.calls as ours
      where ours.id = batchline.uuid_or_null(told.call #>> '{metadata,call_id}')
    ), false)
    on conflict on constraint ultravox_call_is_unique_per_agency do nothing
    returning ultravox_call_id
  )
  select coalesce(array_agg(ultravox_call_id), '{}') into v_inserted from inserted;
  return v_inserted;
end;
$$;
