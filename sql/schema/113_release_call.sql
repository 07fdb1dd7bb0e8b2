-- claimed -> not_placed: nobody was asked, so the attempt does not count.
create function batchline.release_call(p_call public.calls, p_at timestamptz, p_reason text)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  update public.calls
  set status = 'not_placed', claimed_until = null, reason = p_reason
  where id = p_call.id and status = 'claimed';
  if found then
    perform batchline.log_call_event(p_call, 'released', p_reason);
    perform batchline.requeue_contact(p_call, p_at, false, p_reason);
  end if;
end;
$$;
