-- One chunk of a list: its contacts, what was wrong with its rows, the counters, the place of the next chunk and the
-- lease, all or nothing. Fenced by worker and cursor: a worker whose lease is over changes nothing, nor does the same
-- chunk again.
-- p_chunk: {"cursor", "contacts": [{"row", …}], "faults": [[row, column, what, detail]], "duplicates", "invalid",
--           "columns", "next_cursor", "rows_seen"}
create function batchline.record_contact_chunk(
  p_import_id uuid, p_worker text, p_chunk jsonb, p_lease_seconds double precision
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_import public.contact_imports := batchline.lock_contact_import(p_import_id);
  v_batch public.call_batches;
begin
  if v_import.claimed_by = p_worker and v_import.claimed_until > batchline.clock()
    and v_import.cursor = (p_chunk ->> 'cursor')::bigint
  then
    select * into v_batch from public.call_batches where id = v_import.batch_id;
    if v_batch.completed_at is not null or v_batch.deleted_at is not null then
      v_import := batchline.end_contact_import(
        v_import, 'failed', case
          when v_batch.deleted_at is not null then 'Batch deleted'
          else batchline.closing_note(v_batch)
        end || ' before its list was whole'
      );
    else
      v_import := batchline.take_contact_chunk(v_import, v_batch, p_chunk, p_lease_seconds);
    end if;
  end if;
  return batchline.contact_import_progress(v_import, p_worker);
end;
$$;
