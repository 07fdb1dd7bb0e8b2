-- Nothing pending, queued or in progress, and no list still to come: completed. Never from cancelled or failed. An
-- import begins and ends under the batch row's lock, which whoever calls this has.
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
      and not exists (
        select from public.contact_imports as list
        where list.batch_id = call_batches.id and list.status in ('pending', 'in_progress')
      )
    returning *
  loop
    perform batchline.log_batch_event(v_batch, 'completed');
  end loop;
end;
$$;
