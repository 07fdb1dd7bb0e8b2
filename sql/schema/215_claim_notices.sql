-- The first notices of batches whose next one is due, each batch's in order and in one worker's hands until its lease is
-- over: a later notice waits for an earlier one. Also says in how many seconds the next batch is due (null: none waits).
create function batchline.claim_notices(p_worker text, p_batches int, p_length int, p_lease_seconds double precision)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_sort = off set jit = off
as $$
declare
  v_now timestamptz;
  v_due uuid[];
  v_claimed uuid[];
begin
  -- In a statement of its own: one that counted and locked would have a snapshot older than the lock.
  perform pg_advisory_xact_lock(hashtextextended('batchline.notices', 0));
  v_now := batchline.clock();
  delete from public.notices
  where id = any (
    array(
      select id from public.notices where finished_at < v_now - interval '30 days' order by finished_at limit 1000
    )
  );

  v_due := array(
    select batch_id from batchline.next_notices()
    where next_attempt_at <= v_now and coalesce(claimed_until, '-infinity') <= v_now
    order by next_attempt_at
    limit p_batches
  );
  v_claimed := array(
    select line.id
    from unnest(v_due) as due (batch_id)
    cross join lateral (
      select id from public.notices
      where batch_id = due.batch_id and status = 'waiting'
      order by seq
      limit p_length
    ) as line
  );
  update public.notices
  set claimed_by = p_worker, claimed_until = v_now + make_interval(secs => p_lease_seconds)
  where id = any (v_claimed);

  return jsonb_build_object(
    'batches', batchline.claimed_notices(v_claimed, v_now),
    'next_in', (
      select extract(epoch from min(greatest(next_attempt_at, claimed_until)) - v_now)
      from batchline.next_notices()
      where batch_id <> all (v_due)
    )
  );
end;
$$;
