-- The next notice of every batch that has one waiting: one step down the index for each, however many wait.
create function batchline.next_notices()
returns table (batch_id uuid, next_attempt_at timestamptz, claimed_until timestamptz)
language sql stable set search_path = '' set enable_seqscan = off set enable_sort = off set jit = off
as $$
  with recursive next as (
    (
      select notice.batch_id, notice.next_attempt_at, notice.claimed_until
      from public.notices as notice
      where notice.status = 'waiting'
      order by notice.batch_id, notice.seq
      limit 1
    )
    union all
    select following.*
    from next
    cross join lateral (
      select notice.batch_id, notice.next_attempt_at, notice.claimed_until
      from public.notices as notice
      where notice.status = 'waiting' and notice.batch_id > next.batch_id
      order by notice.batch_id, notice.seq
      limit 1
    ) as following
  )
  select * from next;
$$;
