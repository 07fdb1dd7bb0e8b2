-- A call as a trail shows it: its state and every time that was written down.
create function batchline.call_json(p_call public.calls)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_call.id,
    'attempt', p_call.attempt,
    'status', p_call.status,
    'outcome', p_call.outcome,
    'reason', p_call.reason,
    'dial_result', p_call.dial_result,
    'ultravox_call_id', p_call.ultravox_call_id,
    'duration_seconds', p_call.duration_seconds,
    'max_duration_seconds', p_call.max_duration_seconds,
    'claimed_by', p_call.claimed_by,
    'claimed_at', public.iso_utc(p_call.claimed_at),
    'claimed_until', public.iso_utc(p_call.claimed_until),
    'began_at', public.iso_utc(p_call.began_at),
    'unknown_at', public.iso_utc(p_call.unknown_at),
    'asked_at', public.iso_utc(p_call.asked_at),
    'none_at', public.iso_utc(p_call.none_at),
    'accepted_at', public.iso_utc(p_call.accepted_at),
    'joined_at', public.iso_utc(p_call.joined_at),
    'ended_at', public.iso_utc(p_call.ended_at),
    'news_at', public.iso_utc(p_call.news_at)
  );
$$;
