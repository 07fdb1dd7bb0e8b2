-- Any open state -> cancelled or failed. What waits is skipped, what is claimed is released (and so skipped too);
-- live calls end by themselves and still settle and count.
create function batchline.close_batch(
  p_batch public.call_batches, p_status text, p_error_message text, p_actor uuid default null
)
returns public.call_batches
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_batch public.call_batches;
  v_note text;
begin
  update public.call_batches
  set status = p_status, completed_at = v_now, paused_at = null, waiting_until = null, error_message = p_error_message
  where id = p_batch.id and status not in ('completed', 'failed', 'cancelled')
  returning * into v_batch;
  if found then
    v_note := batchline.closing_note(v_batch);
    perform batchline.log_batch_event(v_batch, p_status, p_error_message, p_actor);
    perform batchline.release_claimed(p_batch.id, v_note);
    perform batchline.skip_waiting(v_batch, v_note);
    select * into v_batch from public.call_batches where id = p_batch.id;
  end if;
  return v_batch;
end;
$$;
