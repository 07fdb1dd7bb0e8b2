-- A notice as notices-list shows it: what was said, and how its delivery stands.
create function public.notice_json(p_notice public.notices)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_notice.id,
    'event', p_notice.event,
    'batch_id', p_notice.batch_id,
    'contact_id', p_notice.contact_id,
    'status', p_notice.status,
    'attempts', p_notice.attempts,
    'next_attempt_at', case when p_notice.status = 'waiting' then public.iso_utc(p_notice.next_attempt_at) end,
    'last_answer', p_notice.last_answer,
    'last_error', p_notice.last_error,
    'created_at', public.iso_utc(p_notice.created_at),
    'finished_at', public.iso_utc(p_notice.finished_at)
  );
$$;
