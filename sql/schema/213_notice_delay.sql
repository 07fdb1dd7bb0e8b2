-- How long after its n-th failure a notice is sent again, as the Standard Webhooks text proposes; null: it is given up.
create function batchline.notice_delay(p_failures int)
returns interval
language sql immutable set search_path = ''
as $$
  select (
    array['5 seconds', '5 minutes', '30 minutes', '2 hours', '5 hours', '10 hours', '14 hours', '20 hours', '24 hours']
  )[p_failures]::interval;
$$;
