-- What befell a whole batch and who did it, oldest first: the latest 100 entries. What concerned one contact alone is in
-- that contact's trail.
create function public.batch_history(p_batch_id uuid)
returns jsonb
language sql stable
set search_path = '' set enable_seqscan = off set jit = off
as $$
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'at', public.iso_utc(latest.at),
        'event', latest.event,
        'reason', latest.reason,
        'who', coalesce(
          latest.detail -> 'who',
          case when latest.actor is not null then
            jsonb_build_object('type', 'user', 'id', latest.actor, 'name', null, 'email', null)
          end
        )
      )
      order by latest.id
    ),
    '[]'
  )
  from (
    select id, at, event, reason, detail, actor
    from public.call_events
    where batch_id = p_batch_id and contact_id is null and batch_id is not null
    order by id desc
    limit 100
  ) as latest;
$$;
