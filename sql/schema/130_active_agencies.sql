-- Who needs a worker now: a batch processing, due, or due within the minute until the next run, a paused one whose time
-- is over, any live call, also of a paused, cancelled or failed batch, or people whose numbers were forbidden.
create function batchline.active_agencies(p_now timestamptz)
returns setof uuid
language sql stable set search_path = ''
as $$
  select agency_id
  from public.call_batches
  where status in ('pending', 'scheduled', 'processing')
    and (status <> 'scheduled' or scheduled_for <= p_now + interval '60 s')
  union
  select agency_id from public.call_batches where status in ('processing', 'paused') and ends_at <= p_now
  union
  select agency_id from public.calls where is_live
  union
  select agency_id from public.do_not_call where skipping;
$$;
