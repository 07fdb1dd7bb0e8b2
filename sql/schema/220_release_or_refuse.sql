-- Nobody is forgotten in the middle of a call: what is only claimed is released, anything else that is live refuses.
-- The agency's lock and those of the batches are held.
create function batchline.release_or_refuse(p_agency_id uuid, p_phone_number text)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_call public.calls;
begin
  for v_call in
    select * from public.calls
    where agency_id = p_agency_id and to_number = p_phone_number and is_live
    order by id
    for update
  loop
    if v_call.status <> 'claimed' then
      perform batchline.refuse(
        409, 'call_live', 'A call to this number is under way or its fate is not known yet; try again when it has ended'
      );
    end if;
    perform batchline.release_call(v_call, batchline.clock(), 'Erased');
  end loop;
end;
$$;
