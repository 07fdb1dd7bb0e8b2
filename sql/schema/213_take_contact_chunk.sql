-- What record_contact_chunk stores of a chunk that is the next one, under its locks.
create function batchline.take_contact_chunk(
  p_import public.contact_imports, p_batch public.call_batches, p_chunk jsonb, p_lease_seconds double precision
)
returns public.contact_imports
language plpgsql volatile set search_path = ''
as $$
declare
  v_split record := batchline.split_erased(p_import, p_chunk -> 'contacts');
  v_done jsonb := batchline.append_contacts(p_batch, v_split.kept);
  v_known int := jsonb_array_length(v_done -> 'duplicates');
  v_faults jsonb := (p_chunk -> 'faults') || v_split.faults;
  v_import public.contact_imports;
begin
  if v_known > 0 then
    v_faults := v_faults || (
      select jsonb_agg(jsonb_build_array(v_split.kept -> (place::int - 1) -> 'row', null, 'duplicate', null))
      from jsonb_array_elements_text(v_done -> 'duplicates') as place
    );
  end if;
  if v_faults <> '[]' then
    insert into public.contact_import_faults (import_id, cursor, faults) values (p_import.id, p_import.cursor, v_faults);
  end if;
  update public.contact_imports as list
  set cursor = (p_chunk ->> 'next_cursor')::bigint,
      rows_seen = (p_chunk ->> 'rows_seen')::int,
      rows_read = list.rows_read + jsonb_array_length(p_chunk -> 'contacts')
        + (p_chunk ->> 'duplicates')::int + (p_chunk ->> 'invalid')::int,
      added = list.added + (v_done ->> 'added')::int,
      duplicates_skipped = list.duplicates_skipped + (p_chunk ->> 'duplicates')::int + v_known,
      skipped = list.skipped + (v_done ->> 'skipped')::int,
      invalid = list.invalid + (p_chunk ->> 'invalid')::int,
      erased = list.erased + jsonb_array_length(v_split.faults),
      columns = p_chunk -> 'columns',
      attempts = 0,
      error_message = null,
      claimed_until = batchline.clock() + make_interval(secs => p_lease_seconds),
      last_activity_at = batchline.clock()
  where list.id = p_import.id
  returning * into v_import;
  return v_import;
end;
$$;
