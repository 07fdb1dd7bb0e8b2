create function batchline.find_batch_call(p_agency_id uuid, p_batch_id uuid)
returns public.call_batches
language plpgsql stable set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  select * into v_batch
  from public.call_batches
  where id = p_batch_id and agency_id = p_agency_id and deleted_at is null;
  if not found then
    perform batchline.refuse(404, 'batch_call_not_found', 'Batch call not found');
  end if;
  return v_batch;
end;
$$;
