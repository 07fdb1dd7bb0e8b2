-- The contacts that somebody may mean, newest first: the one with this id or of this call, or those with this number.
-- Each batch is asked by its unique key, since no index has the numbers of contacts that are done with.
create function batchline.contacts_of(
  p_id uuid default null, p_phone_number text default null, p_agency_id uuid default null, p_limit int default 20
)
returns jsonb
language plpgsql stable
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set jit = off
as $$
declare
  v_id uuid := coalesce((select contact_id from public.calls where id = p_id), p_id);
  v_batch record;
  v_found uuid[];
begin
  if p_phone_number is null then
    return (
      select coalesce(jsonb_agg(id), '[]')
      from public.campaign_contacts
      where id = v_id and (p_agency_id is null or agency_id = p_agency_id)
    );
  end if;
  for v_batch in
    select id from public.call_batches
    where p_agency_id is null or agency_id = p_agency_id
    order by created_at desc, id desc
  loop
    v_found := v_found || array(
      select id from public.campaign_contacts where batch_id = v_batch.id and phone_number = p_phone_number
    );
    exit when cardinality(v_found) >= p_limit;
  end loop;
  return coalesce(to_jsonb(v_found), '[]');
end;
$$;
