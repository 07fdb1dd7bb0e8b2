-- As require_batch, for what only a batch that is not final can take.
create function batchline.require_open_batch(p_agency_id uuid, p_batch_id uuid)
returns public.call_batches
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches := batchline.require_batch(p_agency_id, p_batch_id);
begin
  if v_batch.status in ('completed', 'failed', 'cancelled') then
    perform batchline.refuse(
      400, 'batch_already_final', 'Batch is already completed, failed or cancelled: it takes no more contacts'
    );
  end if;
  return v_batch;
end;
$$;
