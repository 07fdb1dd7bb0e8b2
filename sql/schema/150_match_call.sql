-- The call of ours that a payload speaks of: our own id in its metadata (agency and contact must agree) before the
-- provider's id. Whatever a payload says, it reaches only rows of the agency whose secret or key brought it.
create function batchline.match_call(p_agency_id uuid, p_call jsonb)
returns uuid
language plpgsql stable set search_path = ''
as $$
declare
  v_call public.calls;
begin
  -- By the id alone, or a planner without statistics reads all calls of the agency.
  select * into v_call from public.calls where id = batchline.uuid_or_null(p_call #>> '{metadata,call_id}');
  if v_call.agency_id = p_agency_id and v_call.contact_id::text = p_call #>> '{metadata,contact_id}' then
    return v_call.id;
  end if;
  return (
    select id from public.calls
    where agency_id = p_agency_id and ultravox_call_id = batchline.uuid_or_null(p_call ->> 'callId')
  );
end;
$$;
