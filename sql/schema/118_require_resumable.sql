create function batchline.require_resumable(p_batch public.call_batches)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_inactive text := batchline.what_is_inactive(p_batch);
begin
  perform batchline.require_before_end(p_batch, batchline.clock());
  if v_inactive is not null then
    perform batchline.refuse(400, 'batch_not_resumable', v_inactive);
  end if;
end;
$$;
