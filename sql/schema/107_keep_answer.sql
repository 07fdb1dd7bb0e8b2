-- Keeps the answer of a request for those that repeat it, and throws away some of the agency's that are too old.
create function batchline.keep_answer(p_agency_id uuid, p_endpoint text, p_once jsonb, p_answer jsonb)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
begin
  if p_once is not null then
    delete from public.idempotent_answers
    where ctid in (
      select ctid from public.idempotent_answers
      where agency_id = p_agency_id and created_at <= v_now - interval '7 days'
      limit 100
      for update skip locked
    );
    insert into public.idempotent_answers (agency_id, endpoint, key, fingerprint, answer, created_at)
    values (p_agency_id, p_endpoint, p_once ->> 'key', p_once ->> 'fingerprint', p_answer, v_now)
    on conflict (agency_id, endpoint, key) do update  -- too old, and not thrown away yet
    set fingerprint = excluded.fingerprint, answer = excluded.answer, created_at = excluded.created_at;
  end if;
  return p_answer;
end;
$$;
