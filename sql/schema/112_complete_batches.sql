-- Nothing pending, queued or in progress: completed. Never from cancelled or failed.
create function batchline.complete_batches(p_batch_ids uuid[])
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  for v_batch in
    update public.call_batches
    set status = 'completed', completed_at = batchline.clock(), paused_at = null, waiting_until = null
    where id = any (p_batch_ids)
      and status in ('processing', 'paused')
      and started_at is not null
      and pending + queued + in_progress = 0
    returning *
  loop
    perform batchline.log_batch_event(v_batch, 'completed');
  end loop;
end;
$$;
