-- The agency's endpoint and a page of its notices, newest first. A cursor is the place of the last one shown. Column by
-- column: users may not read the whole row.
create function public.list_notices(p_status text, p_batch_id uuid, p_limit int, p_cursor bigint)
returns jsonb
language plpgsql stable
set search_path = '' set enable_seqscan = off set enable_sort = off set plan_cache_mode = force_custom_plan set jit = off
as $$
declare
  v_agency_id uuid := public.my_agency_id();
  v_endpoint jsonb;
  v_rows public.notices[];
begin
  select public.notice_endpoint_json(
    row(
      agency_id, url, events, active, disabled_reason, null, null, null, previous_until, updated_by, created_at, updated_at
    )::public.notice_endpoints
  )
  into v_endpoint
  from public.notice_endpoints
  where agency_id = v_agency_id;

  -- One more than the page: whether there is more is then known without a second look.
  v_rows := array(
    select row(
      id, seq, status, agency_id, batch_id, contact_id, event, null, attempts, next_attempt_at, last_answer, last_error,
      null, null, created_at, finished_at
    )::public.notices
    from public.notices
    where agency_id = v_agency_id
      and (p_status is null or status = p_status)
      and (p_batch_id is null or batch_id = p_batch_id)
      and (p_cursor is null or seq < p_cursor)
    order by seq desc
    limit p_limit + 1
  );
  return jsonb_build_object(
    'endpoint', v_endpoint,
    'notices', (
      select coalesce(jsonb_agg(public.notice_json(one) order by one.seq desc), '[]') from unnest(v_rows[:p_limit]) as one
    ),
    'pagination', jsonb_build_object(
      'limit', p_limit,
      'has_more', cardinality(v_rows) > p_limit,
      'next_cursor', case when cardinality(v_rows) > p_limit then (v_rows[p_limit]).seq::text end
    )
  );
end;
$$;
