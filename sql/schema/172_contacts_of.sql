-- The contacts that somebody may mean, newest first: the one with this id or of this call, and those with this number.
-- Each batch is asked by its unique key, since no index has the numbers of contacts that are done with.
create function batchline.contacts_of(
  p_id uuid default null, p_phone_number text default null, p_agency_id uuid default null, p_limit int default 20
)
returns jsonb
language sql stable
set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
  select coalesce(jsonb_agg(found.id order by found.created_at desc, found.id), '[]')
  from (
    select contact.id, contact.created_at
    from public.campaign_contacts as contact
    where contact.id = any (array(select p_id union all select contact_id from public.calls where id = p_id))
      and (p_agency_id is null or contact.agency_id = p_agency_id)
    union all
    select contact.id, contact.created_at
    from public.call_batches as batch
    cross join lateral (
      select id, created_at from public.campaign_contacts
      where batch_id = batch.id and phone_number = p_phone_number
      offset 0
    ) as contact
    where p_phone_number is not null and (p_agency_id is null or batch.agency_id = p_agency_id)
    order by created_at desc, id
    limit p_limit
  ) as found;
$$;
