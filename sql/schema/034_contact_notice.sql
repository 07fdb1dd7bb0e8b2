-- What the notice of a contact that is done with says, as it is at that moment; who the person is, is read when it is sent.
create function batchline.contact_notice(p_contact public.campaign_contacts)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'status', p_contact.status,
    'outcome', p_contact.outcome,
    'attempts', p_contact.attempts,
    'duration_seconds', p_contact.duration_seconds,
    'call_id', p_contact.call_id,
    'completed_at', public.iso_utc(p_contact.completed_at)
  );
$$;
