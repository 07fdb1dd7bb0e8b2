-- What the contacts of a batch are told that is closed, or whose time is over.
create function batchline.closing_note(p_batch public.call_batches)
returns text
language sql immutable set search_path = ''
as $$
  select case p_batch.status
    when 'cancelled' then 'Batch cancelled'
    when 'failed' then 'Batch failed: ' || p_batch.error_message
    when 'completed' then 'Batch completed'
    else 'Batch ended'
  end;
$$;
