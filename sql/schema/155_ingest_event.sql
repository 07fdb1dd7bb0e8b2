-- A webhook event: stored once and applied, in one transaction.
create function batchline.ingest_event(p_agency_id uuid, p_event text, p_call jsonb)
returns text
language plpgsql volatile
set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_result text := batchline.apply_call(p_agency_id, p_call, 'webhook');
begin
  insert into public.call_events (
    agency_id, batch_id, contact_id, call_id, event, ultravox_call_id, payload
  )
  select p_agency_id, call.batch_id, call.contact_id, call.id, p_event, (p_call ->> 'callId')::uuid,
         case when call.raw ? 'erased' then batchline.impersonal(p_call) else batchline.payload(p_call) end
  from (select batchline.match_call(p_agency_id, p_call) as id) as matched
  left join public.calls as call using (id)
  on conflict (agency_id, ultravox_call_id, event) where payload is not null do nothing;
  return v_result;
end;
$$;
