-- A batch that would start, or go on, only when its time is over is refused: it would end without a call.
create function batchline.require_before_end(p_batch public.call_batches, p_start_at timestamptz)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if p_batch.ends_at <= p_start_at then
    perform batchline.refuse(
      400, 'batch_ended', 'The time of the batch is over (its ends_at does not lie after the start): create another one'
    );
  end if;
end;
$$;
