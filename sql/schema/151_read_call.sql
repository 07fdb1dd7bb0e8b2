-- The row that a call which is not ours becomes: without a contact it holds no slot and no place in a pace. Raises a
-- data exception for what cannot be read; what is missing stays unknown, as in calls of early 2025.
create function batchline.read_call(p_agency_id uuid, p_call jsonb)
returns public.calls
language plpgsql stable set search_path = ''
as $$
declare
  v_row public.calls;
begin
  v_row.ultravox_call_id := batchline.uuid_or_null(p_call ->> 'callId');
  if v_row.ultravox_call_id is null then
    raise exception using errcode = 'invalid_text_representation', message = 'callId is no UUID';
  end if;
  v_row.agency_id := p_agency_id;
  v_row.status := batchline.call_status(p_call);
  v_row.accepted_at := batchline.provider_time(p_call ->> 'created');
  v_row.joined_at := batchline.provider_time(p_call ->> 'joined');
  v_row.ended_at := batchline.provider_time(p_call ->> 'ended');
  v_row.outcome := case when v_row.ended_at is not null then batchline.call_outcome(p_call) end;
  v_row.end_reason := p_call ->> 'endReason';
  v_row.to_number := batchline.call_number(p_call, 'to');
  v_row.from_number := batchline.call_number(p_call, 'from');
  v_row.duration_seconds := round(extract(epoch from v_row.ended_at - v_row.joined_at));
  v_row.billed_duration_seconds := batchline.duration_seconds(p_call ->> 'billedDuration');
  v_row.billing_status := p_call ->> 'billingStatus';
  v_row.short_summary := p_call ->> 'shortSummary';
  v_row.summary := p_call ->> 'summary';
  v_row.raw := batchline.payload(p_call);
  if batchline.is_erased(p_agency_id, v_row.to_number, v_row.accepted_at) then
    v_row.to_number := batchline.erased_number(p_agency_id, v_row.to_number);
    v_row.short_summary := null;
    v_row.summary := null;
    v_row.raw := batchline.impersonal(p_call);
  end if;
  return v_row;
end;
$$;
