-- As find_batch_call, with the agency and the batch row locked in that order.
create function batchline.require_batch_call(p_agency_id uuid, p_batch_id uuid)
returns public.call_batches
language plpgsql volatile set search_path = ''
as $$
begin
  perform batchline.await_agency(p_agency_id);
  perform from public.call_batches where id = p_batch_id and agency_id = p_agency_id for no key update;
  return batchline.find_batch_call(p_agency_id, p_batch_id);
end;
$$;
