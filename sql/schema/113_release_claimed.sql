create function batchline.release_claimed(p_batch_id uuid, p_reason text)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_call public.calls;
begin
  for v_call in
    select * from public.calls where batch_id = p_batch_id and is_live and status = 'claimed' order by id for update
  loop
    perform batchline.release_call(v_call, batchline.clock(), p_reason);
  end loop;
end;
$$;
