-- Fills what we did not know yet; nothing known is overwritten by less, so that order and repeats do not matter.
create function batchline.fill_call(p_call_id uuid, p_call jsonb)
returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_erased boolean := (select raw ? 'erased' from public.calls where id = p_call_id);
  v_payload jsonb := case when v_erased then batchline.impersonal(p_call) else batchline.payload(p_call) end;
begin
  update public.calls as call
  set joined_at = coalesce(call.joined_at, (p_call ->> 'joined')::timestamptz),
      end_reason = coalesce(call.end_reason, p_call ->> 'endReason'),
      duration_seconds = coalesce(
        call.duration_seconds,
        round(extract(epoch from (p_call ->> 'ended')::timestamptz - (p_call ->> 'joined')::timestamptz))::int
      ),
      billing_status = coalesce(
        nullif(call.billing_status, 'BILLING_STATUS_PENDING'), p_call ->> 'billingStatus', call.billing_status
      ),
      billed_duration_seconds = coalesce(
        call.billed_duration_seconds, batchline.duration_seconds(p_call ->> 'billedDuration')
      ),
      short_summary = coalesce(call.short_summary, v_payload ->> 'shortSummary'),
      summary = coalesce(call.summary, v_payload ->> 'summary'),
      raw = v_payload
  where call.id = p_call_id
    and (call.raw is null or batchline.call_rank(p_call) >= batchline.call_rank(call.raw))
    and call.raw is distinct from v_payload;
  return found;
end;
$$;
