-- What the contacts of a closed batch are told.
create function batchline.closing_note(p_batch public.call_batches)
returns text
language sql immutable set search_path = ''
as $$
  select case p_batch.status
    when 'cancelled' then 'Batch cancelled'
    when 'failed' then 'Batch failed: ' || p_batch.error_message
    else 'Batch ' || p_batch.status
  end;
$$;
