-- What a provider's Call object says, in our words. Tolerant: calls of early 2025 lack many of today's fields, and
-- unknown values of an enum are kept in the payload.
create function batchline.call_outcome(p_call jsonb)
returns text
language sql immutable set search_path = ''
as $$
  select case
    when p_call ->> 'joined' is null then
      case
        when p_call ->> 'endReason' in ('connection_error', 'system_error') then 'error'
        when p_call #>> '{sipDetails,terminationReason}' = 'SIP_TERMINATION_BUSY' then 'busy'
        when p_call #>> '{sipDetails,terminationReason}' = 'SIP_TERMINATION_INVALID_NUMBER' then 'invalid_number'
        when p_call #>> '{sipDetails,terminationReason}' = 'SIP_TERMINATION_REJECTED' then 'rejected'
        else 'no_answer'
      end
    when p_call ->> 'endReason' in ('connection_error', 'system_error')
      and (p_call ->> 'ended')::timestamptz - (p_call ->> 'joined')::timestamptz < interval '10 s' then 'dropped'
    else 'answered'
  end;
$$;
