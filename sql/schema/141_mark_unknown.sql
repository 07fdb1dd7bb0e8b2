create function batchline.mark_unknown(p_call public.calls, p_reason text)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  update public.calls
  set status = 'unknown', claimed_until = null, unknown_at = batchline.clock(), dial_result = 'unknown',
      reason = p_reason
  where id = p_call.id and status = 'dialing';
  perform batchline.log_call_event(p_call, 'unknown', p_reason);
end;
$$;
