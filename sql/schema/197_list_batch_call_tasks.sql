-- A page of a batch's contacts, in list order; the total comes from the counters.
create function batchline.list_batch_call_tasks(
  p_api_key text, p_secret_hash text, p_batch_id uuid, p_limit int, p_offset bigint
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_key public.api_keys := batchline.require_api_key(p_api_key, p_secret_hash, false);
  v_batch public.call_batches := batchline.find_batch_call(v_key.agency_id, p_batch_id);
begin
  return (
    select jsonb_build_object(
      'total', v_batch.total_contacts,
      'contacts', coalesce(
        jsonb_agg(
          jsonb_build_object(
            'id', page.id,
            'phone_number', page.phone_number,
            'status', page.status,
            'call_id', page.call_id,
            'reason', page.reason,
            'created_at', public.iso_utc(page.created_at)
          )
          order by page.position
        ),
        '[]'
      )
    )
    from (
      select * from public.campaign_contacts
      where batch_id = p_batch_id
      order by position
      limit p_limit offset p_offset
    ) as page
  );
end;
$$;
