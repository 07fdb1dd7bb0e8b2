-- Takes what a webhook, a GET, a look-up or an import says of a call, in any order, any number of times, before or
-- after the answer to the POST. Answers applied, unchanged or imported.
create function batchline.apply_call(p_agency_id uuid, p_call jsonb, p_source text)
returns text
language plpgsql volatile
set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_call_id uuid := batchline.match_call(p_agency_id, p_call);
  v_batch_id uuid;
  v_status text;
  v_call public.calls;
begin
  select status, batch_id into v_status, v_batch_id from public.calls where id = v_call_id;
  if v_batch_id is null then
    return batchline.import_call(p_agency_id, p_call);
  end if;
  if v_status = 'not_placed' then
    perform batchline.lock_agency(p_agency_id);
  end if;
  perform batchline.lock_batches(array[v_batch_id]);
  if v_status <> 'not_placed' then
    perform batchline.refuse_given_up(array[v_call_id]);
  end if;
  select * into v_call from public.calls where id = v_call_id for update;
  return case when batchline.advance_call(v_call, p_call, p_source) then 'applied' else 'unchanged' end;
end;
$$;
