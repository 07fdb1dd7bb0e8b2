-- The call of ours that a payload speaks of: our own id in its metadata (agency and contact must agree) before the
-- provider's id. Whatever a payload says, it reaches only rows of the agency whose secret or key brought it.
create function batchline.match_call(p_agency_id uuid, p_call jsonb)
returns uuid
language sql stable set search_path = ''
as $$
  select coalesce(
    (
      select call.id from public.calls as call
      where call.id::text = p_call #>> '{metadata,call_id}'
        and call.agency_id = p_agency_id
        and call.contact_id::text = p_call #>> '{metadata,contact_id}'
    ),
    (
      select call.id from public.calls as call
      where call.agency_id = p_agency_id and call.ultravox_call_id::text = p_call ->> 'callId'
    )
  );
$$;
