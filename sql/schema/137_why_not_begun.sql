-- Null where the call may begin. The claim has looked a moment ago which hours are open: its notes serve here.
create function batchline.why_not_begun(p_call public.calls, p_now timestamptz)
returns text
language sql stable set search_path = ''
as $$
  select case
    when p_call.claimed_until <= p_now then 'the lease was over'
    when batch.status <> 'processing' then 'the batch is ' || batch.status
    when batch.ends_at <= p_now then 'the batch has ended'
    when batchline.what_is_inactive(batch) is not null then 'the agent or the number of the batch is not active'
    when hold.rule = 'do_not_call' then 'the number is on the do-not-call list'
    when hold.rule is not null then 'the number was called too often or too lately'
    when batch.calling_hours is not null and (
      select count(*)
      from public.call_batch_zones as zone
      where zone.batch_id = batch.id and zone.time_zones = contact.time_zones
        and zone.opens_at <= p_now and zone.closes_at > p_now
    ) = 0 then 'calling hours are over'
  end
  from public.call_batches as batch
  join public.campaign_contacts as contact on contact.id = p_call.contact_id
  cross join lateral batchline.number_holds(
    batch.agency_id, array[p_call.to_number], array[batch.id], p_now, p_call.id
  ) as hold
  where batch.id = p_call.batch_id;
$$;
