-- Takes in a page of past calls; how many were imported, updated and failed. Nearly all of a first import are calls that
-- nobody knew: those in one statement. Only if it meets one that cannot be read is each looked at by itself.
create function batchline.import_page(p_job public.historical_sync_jobs, p_calls jsonb)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_readable jsonb := p_calls;
  v_inserted uuid[];
  v_counts jsonb;
begin
  begin
    v_inserted := batchline.insert_calls(p_job.agency_id, p_calls);
  exception when data_exception then
    v_readable := batchline.split_page(p_job, p_calls);
    v_inserted := batchline.insert_calls(p_job.agency_id, v_readable);
  end;
  v_counts := '{"updated": 0, "failed": 0}';
  if cardinality(v_inserted) < jsonb_array_length(v_readable) then
    v_counts := batchline.apply_page(p_job, (
      select jsonb_agg(call) from jsonb_array_elements(v_readable) as told (call)
      where (call ->> 'callId')::uuid <> all (v_inserted)
    ));
  end if;
  return v_counts || jsonb_build_object(
    'processed', jsonb_array_length(p_calls),
    'imported', cardinality(v_inserted),
    'failed', (v_counts ->> 'failed')::int + jsonb_array_length(p_calls) - jsonb_array_length(v_readable)
  );
end;
$$;
