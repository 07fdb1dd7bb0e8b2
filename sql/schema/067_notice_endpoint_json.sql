-- An endpoint as its agency sees it: never the secret, but until when the previous one counts.
create function public.notice_endpoint_json(p_endpoint public.notice_endpoints)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'url', p_endpoint.url,
    'events', p_endpoint.events,
    'active', p_endpoint.active,
    'disabled_reason', p_endpoint.disabled_reason,
    'previous_secret_until', public.iso_utc(p_endpoint.previous_until),
    'updated_at', public.iso_utc(p_endpoint.updated_at)
  );
$$;
