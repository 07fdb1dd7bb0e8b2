-- How many contacts of a batch are still to be called in each set of time zones. Before its start all of them are
-- pending, after it none. Of more than 100, people at 32 places of the list stand for the rest, and nobody is forgotten:
-- each set of time zones in which somebody waits counts for one at least.
create function public.forecast_queues(p_batch public.call_batches)
returns jsonb
language sql stable
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set jit = off
set plan_cache_mode = force_custom_plan
as $$
  with batch as (
    select p_batch.pending + p_batch.queued as waiting,
           case when p_batch.pending > 0 then 'pending' else 'queued' end as status
  ),
  place as (
    select p_batch.total_contacts * n / 32 as position, 1 as people from batch, generate_series(0, 31) as n
    where batch.waiting > 100
    union all
    select 0, 100 from batch where batch.waiting between 1 and 100
  ),
  asked as (
    select met.time_zones, count(*)::double precision as contacts
    from place
    cross join batch
    cross join lateral (
      select coalesce(contact.time_zones, array[p_batch.timezone]) as time_zones
      from public.campaign_contacts as contact
      where contact.batch_id = p_batch.id and contact.status = batch.status and contact.position >= place.position
      order by contact.position
      limit place.people
    ) as met
    group by met.time_zones
  ),
  known as (
    select asked.time_zones, asked.contacts from asked
    union all
    select zone.time_zones, 0
    from public.call_batch_zones as zone
    where zone.batch_id = p_batch.id and zone.opens_at < 'infinity' and (
      p_batch.pending > 0 or exists (
        select from public.campaign_contacts as contact
        where contact.batch_id = zone.batch_id and contact.time_zones = zone.time_zones and contact.status = 'queued'
      )
    )
  ),
  counted as (
    select known.time_zones,
           greatest(1, max(known.contacts) * batch.waiting / greatest(1, (select sum(contacts) from asked))) as contacts
    from known
    cross join batch
    where batch.waiting > 0
    group by known.time_zones, batch.waiting
  )
  select coalesce(
    jsonb_agg(jsonb_build_object('time_zones', to_jsonb(counted.time_zones), 'contacts', counted.contacts)), '[]'
  )
  from counted;
$$;
