-- What remains of a page: calls of ours and calls that are known. Those that say nothing new are not touched at all; the
-- others go one by one, under the locks of all their batches, taken before the first.
create function batchline.apply_page(p_job public.historical_sync_jobs, p_calls jsonb)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  v_news jsonb;
  v_batch_ids uuid[];
  v_live_ids uuid[];
  v_needs_agency boolean;
  v_call jsonb;
  v_updated int := 0;
  v_failed int := 0;
begin
  select coalesce(jsonb_agg(told.call), '[]'), array_agg(distinct known.batch_id),
         array_agg(known.id) filter (where known.status <> 'not_placed'),
         bool_or(known.status = 'not_placed')
  into v_news, v_batch_ids, v_live_ids, v_needs_agency
  from jsonb_array_elements(p_calls) as told (call)
  left join public.calls as known on known.id = batchline.match_call(p_job.agency_id, told.call)
  where batchline.is_news(known, told.call);

  if v_needs_agency then
    perform batchline.lock_agency(p_job.agency_id);
  end if;
  perform batchline.lock_batches(v_batch_ids);
  perform batchline.refuse_given_up(v_live_ids);
  for v_call in select value from jsonb_array_elements(v_news) loop
    begin
      perform batchline.read_call(p_job.agency_id, v_call);
      v_updated := v_updated + (batchline.apply_call(p_job.agency_id, v_call, 'import') <> 'unchanged')::int;
    exception when data_exception or integrity_constraint_violation then
      perform batchline.note_sync_failure(p_job, v_call, sqlerrm);
      v_failed := v_failed + 1;
    end;
  end loop;
  return jsonb_build_object('updated', v_updated, 'failed', v_failed);
end;
$$;
