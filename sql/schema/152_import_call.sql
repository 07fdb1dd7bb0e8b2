-- A call that is not ours becomes a row of its own, or tells more about the one that it has become.
create function batchline.import_call(p_agency_id uuid, p_call jsonb)
returns text
language plpgsql volatile set search_path = ''
as $$
declare
  v_read public.calls := batchline.read_call(p_agency_id, p_call);
  v_call_id uuid;
  v_changed boolean;
begin
  if batchline.insert_calls(p_agency_id, jsonb_build_array(p_call)) <> '{}' then
    return 'imported';
  end if;
  v_call_id := batchline.match_call(p_agency_id, p_call);
  update public.calls as call
  set status = v_read.status, joined_at = v_read.joined_at, ended_at = v_read.ended_at, outcome = v_read.outcome
  where call.id = v_call_id and call.contact_id is null
    and batchline.call_rank(p_call) > batchline.call_rank(call.raw)
    and row(call.status, call.joined_at, call.ended_at, call.outcome)
      is distinct from row(v_read.status, v_read.joined_at, v_read.ended_at, v_read.outcome);
  v_changed := found;
  return case when batchline.fill_call(v_call_id, p_call) or v_changed then 'applied' else 'unchanged' end;
end;
$$;
