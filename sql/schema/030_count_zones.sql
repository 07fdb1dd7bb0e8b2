-- How many wait in each set of a batch's time zones follows the contacts in the same way.
create function batchline.count_zones()
returns trigger
language plpgsql set search_path = ''
as $$
begin
  if tg_op = 'INSERT' then
    update public.call_batch_zones as zone
    set waiting = zone.waiting + change.n
    from (
      select batch_id, time_zones, count(*) as n
      from new_rows where status in ('pending', 'queued')
      group by batch_id, time_zones
    ) as change
    where zone.batch_id = change.batch_id and zone.time_zones = change.time_zones;
  else
    update public.call_batch_zones as zone
    set waiting = zone.waiting + change.n
    from (
      select batch_id, time_zones, sum(n) as n
      from (
        select batch_id, time_zones, 1 as n from new_rows where status in ('pending', 'queued')
        union all
        select batch_id, time_zones, -1 from old_rows where status in ('pending', 'queued')
      ) as moves
      group by batch_id, time_zones
      having sum(n) <> 0
    ) as change
    where zone.batch_id = change.batch_id and zone.time_zones = change.time_zones;
  end if;
  return null;
end;
$$;

create trigger zones_gained
  after insert on public.campaign_contacts
  referencing new table as new_rows
  for each statement execute function batchline.count_zones();

create trigger zones_changed
  after update on public.campaign_contacts
  referencing old table as old_rows new table as new_rows
  for each statement execute function batchline.count_zones();
