-- Why a batch can dial nothing until somebody acts, as a sentence that says what to do; null where it can.
create function batchline.what_is_inactive(p_batch public.call_batches)
returns text
language sql stable set search_path = ''
as $$
  select case
    when not exists (select from public.agent_mappings where id = p_batch.agent_mapping_id and active)
      then 'The agent of the batch is not active: activate it, then resume the batch'
    when not exists (
      select from public.agency_phone_numbers
      where agency_id = p_batch.agency_id and phone_number = p_batch.from_number and active
    )
      then 'The number that the batch calls from is not active: activate it, then resume the batch'
  end;
$$;
