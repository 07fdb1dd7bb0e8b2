-- The answer to an earlier request with the same key, or null: then the caller does the work and keeps its answer, in
-- this transaction. Of two at once the second is refused rather than kept waiting. The lock ends with its transaction,
-- so a request that died locks nobody out; it is only tried, so it has no place in the order of locks.
create function batchline.recall_answer(p_agency_id uuid, p_endpoint text, p_once jsonb)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_kept public.idempotent_answers;
begin
  if p_once is null then
    return null;
  end if;
  if not pg_try_advisory_xact_lock(
    hashtextextended(concat_ws(':', 'batchline.once', p_agency_id, p_endpoint, p_once ->> 'key'), 0)
  ) then
    perform batchline.refuse(
      409, 'request_in_progress', 'A request with this Idempotency-Key is still running; repeat it in a moment'
    );
  end if;
  select * into v_kept
  from public.idempotent_answers
  where agency_id = p_agency_id and endpoint = p_endpoint and key = p_once ->> 'key'
    and created_at > batchline.clock() - interval '7 days';
  if v_kept.fingerprint <> p_once ->> 'fingerprint' then
    perform batchline.refuse(
      422, 'idempotency_key_reused', 'This Idempotency-Key was used before, with another body'
    );
  end if;
  return v_kept.answer || '{"replayed": true}';
end;
$$;
