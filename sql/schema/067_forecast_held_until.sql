-- Until when the last of those who wait is held back by now, as each queue's order has it.
create function public.forecast_held_until(p_batch_id uuid, p_queues jsonb)
returns timestamptz
language sql stable
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set jit = off
as $$
  select max(last.next_attempt_at)
  from jsonb_array_elements(p_queues) as queue
  cross join lateral (
    select contact.next_attempt_at
    from public.campaign_contacts as contact
    where contact.batch_id = p_batch_id and contact.status = 'queued'
      and contact.time_zones = array(select jsonb_array_elements_text(queue -> 'time_zones'))
    order by contact.next_attempt_at desc
    limit 1
  ) as last;
$$;
