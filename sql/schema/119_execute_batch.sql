-- draft, scheduled -> pending, or -> scheduled where p_start_at is still to come; nothing is dialled before.
create function batchline.execute_batch(
  p_batch public.call_batches, p_start_at timestamptz, p_actor uuid, p_detail jsonb default null
)
returns public.call_batches
language plpgsql volatile set search_path = ''
as $$
declare
  v_batch public.call_batches;
begin
  perform batchline.require_before_end(p_batch, coalesce(p_start_at, batchline.clock()));
  update public.call_batches
  set status = case when p_start_at is null then 'pending' else 'scheduled' end, scheduled_for = p_start_at,
      edited_at = batchline.clock()
  where id = p_batch.id and status in ('draft', 'scheduled')
  returning * into v_batch;
  if found then
    perform batchline.log_batch_event(v_batch, 'executed', p_actor => p_actor, p_detail => p_detail);
  end if;
  return v_batch;
end;
$$;
