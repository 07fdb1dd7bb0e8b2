-- What the agency reads, in the form of Standard Webhooks. Who the person is, and how far the batch has come, is read
-- now: a person who was erased meanwhile is not told of any more.
create function batchline.notice_body(p_notice public.notices)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'type', p_notice.event,
    'timestamp', public.iso_utc(p_notice.created_at),
    'data', p_notice.data || jsonb_build_object('batch_id', batch.id, 'batch_name', batch.name) || case
      when contact.id is null then jsonb_build_object(
        'campaign_id', batch.campaign_id,
        'total_contacts', batch.total_contacts,
        'completed', batch.completed,
        'failed', batch.failed,
        'skipped', batch.skipped
      )
      else jsonb_build_object(
        'contact_id', contact.id,
        'phone_number', contact.phone_number,
        'first_name', contact.first_name,
        'last_name', contact.last_name,
        'custom_data', contact.custom_data,
        'reason', contact.reason
      )
    end
  )
  from public.call_batches as batch
  left join public.campaign_contacts as contact on contact.id = p_notice.contact_id
  where batch.id = p_notice.batch_id;
$$;
