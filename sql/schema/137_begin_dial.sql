-- claimed -> dialing. After its commit the provider may have been asked, so this is the last word of pause, cancel and
-- the do-not-call list: it waits for their locks. What it refuses it releases. Repeated by the same worker (its answer
-- was lost) it answers the same calls again.
create function batchline.begin_dial(p_worker text, p_call_ids uuid[], p_lease_seconds double precision)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_agency_id uuid;
  v_begun uuid[] := '{}';
begin
  for v_agency_id in
    select distinct agency_id from public.calls where id = any (p_call_ids) order by agency_id
  loop
    v_begun := v_begun || batchline.begin_agency_dial(
      v_agency_id, p_worker, p_call_ids, make_interval(secs => p_lease_seconds)
    );
  end loop;
  return jsonb_build_object('begun', to_jsonb(v_begun));
end;
$$;
