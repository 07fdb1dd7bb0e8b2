-- The trail is append-only for everybody but its owner. This is the one way through, which is why it runs as the owner,
-- does this and nothing else: it adds no event, takes none away, and changes neither what happened nor when.
create function batchline.erase_events(
  p_agency_id uuid, p_contact_ids uuid[], p_call_ids uuid[], p_batch_ids uuid[], p_phone_number text
)
returns int
language plpgsql volatile security definer
set search_path = '' set enable_seqscan = off set jit = off set plan_cache_mode = force_custom_plan
as $$
declare
  v_changed int;
begin
  update public.call_events as entry
  set reason = batchline.without_number(reason, p_phone_number),
      detail = batchline.without_number(detail::text, p_phone_number)::jsonb,
      payload = case when payload is not null then batchline.impersonal(payload) end
  where agency_id = p_agency_id
    and id = any (array(
      select id from public.call_events where contact_id = any (p_contact_ids)
      union
      select id from public.call_events where call_id = any (p_call_ids)
      union
      select id from public.call_events
      where batch_id = any (p_batch_ids) and contact_id is null and batch_id is not null
      union  -- of a call that was an imported row once, and is one of ours now
      select id from public.call_events
      where agency_id = p_agency_id and payload is not null and ultravox_call_id in (
        select ultravox_call_id from public.calls where calls.id = any (p_call_ids)
      )
    ))
    and (
      (payload is not null and not payload ? 'erased')
      or position(substr(p_phone_number, 2) in concat_ws(' ', reason, detail::text)) > 0
    );
  get diagnostics v_changed = row_count;
  return v_changed;
end;
$$;
