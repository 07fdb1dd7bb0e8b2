-- What may be kept of a provider's Call object about somebody who is forgotten. What is not named here goes, so that a
-- field which the provider adds cannot bring the person back. `erased` tells later news of the call to do the same.
create function batchline.impersonal(p_call jsonb)
returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'erased', true,
    'callId', p_call -> 'callId',
    'agentId', p_call -> 'agentId',
    'created', p_call -> 'created',
    'joined', p_call -> 'joined',
    'ended', p_call -> 'ended',
    'endReason', p_call -> 'endReason',
    'billedDuration', p_call -> 'billedDuration',
    'billingStatus', p_call -> 'billingStatus',
    'maxDuration', p_call -> 'maxDuration',
    'errorCount', p_call -> 'errorCount',
    'sipDetails', jsonb_build_object('terminationReason', p_call #> '{sipDetails,terminationReason}'),
    'metadata', jsonb_build_object(
      'agency_id', p_call #> '{metadata,agency_id}',
      'batch_id', p_call #> '{metadata,batch_id}',
      'contact_id', p_call #> '{metadata,contact_id}',
      'call_id', p_call #> '{metadata,call_id}'
    )
  ));
$$;
