-- Whether a call as it is listed may change its row. Where it cannot, an import leaves the row alone: no lock, no write.
create function batchline.is_news(p_row public.calls, p_call jsonb)
returns boolean
language sql immutable set search_path = ''
as $$
  select p_row.raw is null
    or p_row.ultravox_call_id::text is distinct from lower(p_call ->> 'callId')
    or (
      p_row.raw <> batchline.payload(p_call)
      and (p_row.status <> 'ended' or batchline.call_rank(p_call) >= batchline.call_rank(p_row.raw))
    );
$$;
