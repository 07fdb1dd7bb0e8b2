-- The batch of a request, with the agency and the batch row locked in that order.
create function batchline.require_batch(p_agency_id uuid, p_batch_id uuid)
returns public.call_batches
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  perform batchline.await_agency(p_agency_id);
  select * into v_batch
  from public.call_batches
  where id = p_batch_id and agency_id = p_agency_id and deleted_at is null
  for no key update;
  if not found then
    perform batchline.refuse(404, 'batch_not_found', 'Batch not found or does not belong to the user''s agency');
  end if;
  return v_batch;
end;
$$;
