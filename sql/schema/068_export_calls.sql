-- As export_contacts, one row for each call of the page's contacts that the provider may have been asked for.
create function public.export_calls(p_batch_id uuid, p_after int, p_limit int)
returns jsonb
language sql stable
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set enable_sort = off set jit = off
as $$
  with page as materialized (
    select id, position, phone_number, first_name, last_name
    from public.campaign_contacts
    where batch_id = p_batch_id and position > p_after
    order by position
    limit p_limit
  )
  select jsonb_build_object(
    'rows', coalesce(
      (
        select jsonb_agg(
          jsonb_build_array(
            page.phone_number, page.first_name, page.last_name, call.attempt, call.status, call.outcome,
            public.iso_utc(call.began_at), public.iso_utc(call.joined_at), public.iso_utc(call.ended_at),
            call.duration_seconds, call.billed_duration_seconds, call.end_reason, call.reason, call.short_summary,
            call.summary, call.id, call.ultravox_call_id, page.id
          )
          order by page.position, call.began_at, call.id
        )
        from page
        join public.calls as call on call.contact_id = page.id
        -- Not "is not null": that would offer the index of begun calls, which without statistics is read from end to end.
        where coalesce(call.began_at, '-infinity') > '-infinity'
      ),
      '[]'
    ),
    'next', (select case when count(*) = p_limit then max(position) end from page)
  );
$$;
