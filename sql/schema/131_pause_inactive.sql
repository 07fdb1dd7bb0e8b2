-- An agent or a number was made inactive: its batches are paused. begin_dial looks too, so that nothing begins between.
create function batchline.pause_inactive(p_agency_id uuid)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  for v_batch in
    select * from public.call_batches as batch
    where agency_id = p_agency_id and status = 'processing' and batchline.what_is_inactive(batch) is not null
    order by id
    for no key update
  loop
    perform batchline.pause_batch(v_batch, batchline.what_is_inactive(v_batch), p_rule => 'inactive');
  end loop;
end;
$$;
