-- dialing -> unknown. p_dial_result is what the dial itself was told: of a worker that stopped, nothing.
create function batchline.mark_unknown(p_call public.calls, p_reason text, p_dial_result text default null)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  update public.calls
  set status = 'unknown', claimed_until = null, unknown_at = batchline.clock(), dial_result = p_dial_result,
      reason = p_reason
  where id = p_call.id and status = 'dialing';
  if found then
    perform batchline.log_call_event(p_call, 'unknown', p_reason);
  end if;
end;
$$;
