-- How much a payload can know: started < joined < ended < billed. The fullest one seen is kept.
create function batchline.call_rank(p_call jsonb)
returns int
language sql immutable set search_path = ''
as $$
  select case
    when p_call ->> 'ended' is null then (p_call ->> 'joined' is not null)::int
    when coalesce(p_call ->> 'billingStatus', 'BILLING_STATUS_PENDING') = 'BILLING_STATUS_PENDING' then 2
    else 3
  end;
$$;
