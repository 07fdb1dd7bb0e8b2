-- The next notice of every batch that has one waiting: one step down the index for each, however many wait.
create function batchline.next_notices()
returns setof public.notices
language sql stable set search_path = '' set enable_seqscan = off set enable_sort = off
as $$
  with recursive first as (
    (
      select notice from public.notices as notice where status = 'waiting' order by batch_id, seq limit 1
    )
    union all
    select following.notice
    from first
    cross join lateral (
      select notice
      from public.notices as notice
      where status = 'waiting' and batch_id > (first.notice).batch_id
      order by batch_id, seq
      limit 1
    ) as following
  )
  select (first.notice).* from first;
$$;
