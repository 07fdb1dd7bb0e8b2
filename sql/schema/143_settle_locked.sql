create function batchline.settle_locked(p_results jsonb)
returns int
language sql volatile set search_path = ''
as $$
  select count(*) filter (
    where batchline.settle_dial(call_id, result, ultravox_call_id, reason, retry_after_seconds)
  )
  from jsonb_to_recordset(p_results) as told (
    call_id uuid, result text, ultravox_call_id uuid, reason text, retry_after_seconds double precision
  );
$$;
