-- Who did it is written down as they were called then (p_actor, or `who` in p_detail for an API key): a user who leaves
-- takes their row along, not what they did.
create function batchline.log_batch_event(
  p_batch public.call_batches, p_event text, p_reason text default null, p_actor uuid default null,
  p_detail jsonb default null
)
returns void
language sql volatile set search_path = ''
as $$
  insert into public.call_events (agency_id, batch_id, event, reason, actor, detail)
  values (
    p_batch.agency_id, p_batch.id, p_event, p_reason, p_actor,
    nullif(
      coalesce(
        (
          select jsonb_build_object(
            'who', jsonb_build_object('type', 'user', 'id', id, 'name', full_name, 'email', email)
          )
          from public.users
          where id = p_actor
        ),
        '{}'
      ) || coalesce(p_detail, '{}'),
      '{}'
    )
  );
$$;
