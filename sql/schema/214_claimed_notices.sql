-- What a worker needs to send these, batch by batch.
create function batchline.claimed_notices(p_ids uuid[], p_now timestamptz)
returns jsonb
language sql stable
set search_path = '' set enable_seqscan = off set enable_sort = on set jit = off  -- whatever the caller has set
as $$
  select coalesce(jsonb_agg(line), '[]')
  from (
    select jsonb_build_object(
      'batch_id', notice.batch_id,
      'agency_id', endpoint.agency_id,
      'url', endpoint.url,
      'seed', endpoint.secret_seed,
      'secret_hash', endpoint.secret_hash,
      'previous_seed', case when endpoint.previous_until > p_now then endpoint.previous_seed end,
      'notices', jsonb_agg(
        jsonb_build_object('id', notice.id, 'body', batchline.notice_body(notice)) order by notice.seq
      )
    ) as line
    from public.notices as notice
    join public.notice_endpoints as endpoint using (agency_id)
    where notice.id = any (p_ids)
    group by notice.batch_id, endpoint.agency_id
  ) as lines;
$$;
