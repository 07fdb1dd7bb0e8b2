-- The provider could not be asked: written down once per change of reason, not at every try.
create function batchline.record_failed_question(p_call_id uuid, p_reason text)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_call public.calls;
begin
  select * into v_call from public.calls where id = p_call_id and is_live;
  if found and p_reason is distinct from (
    select reason from public.call_events where call_id = p_call_id and event = 'asked' order by id desc limit 1
  ) then
    perform batchline.log_call_event(v_call, 'asked', p_reason);
  end if;
end;
$$;
