-- Null where the call may begin.
create function batchline.why_not_begun(p_call public.calls, p_now timestamptz)
returns text
language sql stable set search_path = ''
as $$
  select case
    when p_call.claimed_until <= p_now then 'the lease was over'
    when batch.status <> 'processing' then 'the batch is ' || batch.status
    when batch.ends_at <= p_now then 'the batch has ended'
    when batchline.what_is_inactive(batch) is not null then 'the agent or the number of the batch is not active'
    when (
      select count(*) from public.do_not_call
      where agency_id = p_call.agency_id and phone_number = p_call.to_number
    ) > 0 then 'the number is on the do-not-call list'
  end
  from public.call_batches as batch
  where batch.id = p_call.batch_id;
$$;
