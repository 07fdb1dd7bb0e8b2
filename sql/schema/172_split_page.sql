-- The calls of a page that can be read; of each other one, the id and the reason are kept.
create function batchline.split_page(p_job public.historical_sync_jobs, p_calls jsonb)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_call jsonb;
  v_problem text;
  v_readable jsonb[] := '{}';
begin
  for v_call in select value from jsonb_array_elements(p_calls) loop
    v_problem := batchline.call_problem(p_job.agency_id, v_call);
    if v_problem is null then
      v_readable := v_readable || v_call;
    else
      perform batchline.note_sync_failure(p_job, v_call, v_problem);
    end if;
  end loop;
  return to_jsonb(v_readable);
end;
$$;
