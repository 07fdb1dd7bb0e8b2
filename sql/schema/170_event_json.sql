-- An event as a trail shows it; of what the provider told us, only what bears on the decision.
create function batchline.event_json(p_event public.call_events)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_event.id,
    'at', public.iso_utc(p_event.at),
    'event', p_event.event,
    'reason', coalesce(p_event.reason, p_event.payload ->> 'endReason'),
    'detail', jsonb_strip_nulls(jsonb_build_object('ultravox_call_id', p_event.ultravox_call_id))
      || coalesce(p_event.detail, '{}'),
    'of_contact', p_event.contact_id is not null,  -- else of its whole batch
    'call_id', p_event.call_id,
    'actor', (select actor.email from public.users as actor where actor.id = p_event.actor)
  );
$$;
