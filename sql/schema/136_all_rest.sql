-- Whether these agencies can do without a worker until the next run, a minute from now: no call is live, and every batch
-- waits longer than that for its calling hours.
create function batchline.all_rest(p_agency_ids uuid[], p_now timestamptz)
returns boolean
language sql stable set search_path = ''
as $$
  select not exists (
    select from public.call_batches
    where agency_id = any (p_agency_ids)
      and status in ('pending', 'scheduled', 'processing')
      and (status <> 'scheduled' or scheduled_for <= p_now + interval '60 s')
      and (waiting_until is null or waiting_until <= p_now + interval '60 s')
  ) and not exists (
    select from public.calls where agency_id = any (p_agency_ids) and is_live
  );
$$;
