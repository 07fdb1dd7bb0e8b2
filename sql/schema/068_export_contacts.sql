-- A page of a batch's contacts as rows of a table, in list order, those behind position p_after; `next` is the
-- position behind which the next page begins, null at the end. shared/results.py names the columns.
create function public.export_contacts(p_batch_id uuid, p_after int, p_limit int)
returns jsonb
language sql stable
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set enable_sort = off set jit = off
as $$
  select jsonb_build_object(
    'rows', coalesce(
      jsonb_agg(
        jsonb_build_array(
          page.phone_number, page.first_name, page.last_name, page.email, page.company, page.title, page.timezone,
          page.status, page.outcome, page.outcome_notes, page.reason, page.attempts, page.max_attempts,
          public.iso_utc(page.last_attempt_at), public.iso_utc(page.next_attempt_at), public.iso_utc(page.completed_at),
          page.duration_seconds, call.summary, page.id, page.call_id, page.custom_data
        )
        order by page.position
      ),
      '[]'
    ),
    'next', case when count(*) = p_limit then max(page.position) end
  )
  from (
    select * from public.campaign_contacts
    where batch_id = p_batch_id and position > p_after
    order by position
    limit p_limit
  ) as page
  left join lateral (
    select coalesce(summary, short_summary) as summary from public.calls where id = page.call_id
  ) as call on true;
$$;
