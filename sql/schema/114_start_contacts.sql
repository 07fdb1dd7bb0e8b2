-- pending -> queued, at the start of their batch. Only now it is settled where numbers without a time zone are: a
-- program may change its batch's zone until then.
create function batchline.start_contacts(p_batch_id uuid)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  select * into v_batch from public.call_batches where id = p_batch_id;
  if v_batch.campaign_id is null then
    perform batchline.open_batch_zones(v_batch, jsonb_build_array(jsonb_build_array(v_batch.timezone)));
  end if;
  update public.campaign_contacts
  set status = 'queued', next_attempt_at = v_batch.started_at, time_zones = coalesce(time_zones, array[v_batch.timezone])
  where batch_id = p_batch_id and status = 'pending';
end;
$$;
