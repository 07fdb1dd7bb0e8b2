-- The provider refuses the agency's account: nothing of this agency can be dialled until somebody acts.
create function batchline.pause_agency(p_agency_id uuid, p_reason text)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  for v_batch in
    select * from public.call_batches
    where agency_id = p_agency_id and status = 'processing' order by id for no key update
  loop
    perform batchline.pause_batch(v_batch, p_reason, p_rule => 'account_refused');
  end loop;
end;
$$;
