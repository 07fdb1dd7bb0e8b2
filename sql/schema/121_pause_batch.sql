-- processing, scheduled -> paused, by a user or by a rule. After it every call that the provider accepts for the batch
-- was dialing before: begin_dial waits for the same locks, and what is only claimed is released here.
create function batchline.pause_batch(
  p_batch public.call_batches, p_error_message text, p_actor uuid default null, p_rule text default null
)
returns public.call_batches
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  update public.call_batches
  set status = 'paused', paused_at = batchline.clock(), error_message = p_error_message, waiting_until = null
  where id = p_batch.id and status in ('processing', 'scheduled')
  returning * into v_batch;
  if found then
    perform batchline.release_claimed(p_batch.id, 'Batch paused');
    perform batchline.log_batch_event(
      v_batch, 'paused', p_error_message, p_actor,
      nullif(jsonb_strip_nulls(jsonb_build_object('rule', p_rule)), '{}')
    );
    select * into v_batch from public.call_batches where id = p_batch.id;
    perform batchline.complete_batches(array[p_batch.id]);  -- a release may have skipped the last contact
  end if;
  return v_batch;
end;
$$;
