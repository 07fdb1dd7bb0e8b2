create function batchline.retry_delay(p_retry jsonb, p_attempt int)
returns interval
language sql immutable set search_path = ''
as $$
  select make_interval(
    secs => least(
      60 * (p_retry ->> 'delay_minutes')::double precision
        * (p_retry ->> 'growth')::double precision ^ (p_attempt - 1),
      7 * 24 * 3600
    )
  );
$$;
