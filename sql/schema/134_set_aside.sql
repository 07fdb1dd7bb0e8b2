-- Moves contacts that a rule about their number forbids to dial out of the way of those behind them: to the time from
-- which they may be, or to skipped where they never may. The reason is told once, not at every turn.
create function batchline.set_aside(p_agency_id uuid, p_held jsonb, p_now timestamptz)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if p_held = '[]' then
    return;
  end if;
  -- Contacts come after their batches: a webhook may hold a batch and wait for one of these.
  perform batchline.lock_batches(array(select distinct (held ->> 'batch_id')::uuid from jsonb_array_elements(p_held) as held));
  -- By their ids alone: asked for their status too, a planner without statistics reads the whole queue instead.
  with held as materialized (
    select contact.id, contact.batch_id, contact.status, contact.reason as reason_before,
           batchline.hold_reason(one.rule) as reason, one.rule, one.until
    from jsonb_to_recordset(p_held) as one (contact_id uuid, rule text, until timestamptz)
    join public.campaign_contacts as contact on contact.id = one.contact_id
  ),
  moved as (
    update public.campaign_contacts as contact
    set status = case when held.until is null then 'skipped' else 'queued' end,
        next_attempt_at = held.until,
        completed_at = case when held.until is null then p_now end,
        outcome_notes = case when held.until is null then held.reason else contact.outcome_notes end,
        reason_at = case when held.reason is distinct from held.reason_before then p_now else contact.reason_at end,
        reason = held.reason
    from held
    where contact.id = held.id and held.status = 'queued'
    returning contact.id
  )
  insert into public.call_events (agency_id, batch_id, contact_id, event, reason, detail)
  select p_agency_id, held.batch_id, held.id, case when held.until is null then 'skipped' else 'deferred' end, held.reason,
         jsonb_strip_nulls(jsonb_build_object('rule', held.rule, 'until', public.iso_utc(held.until)))
  from held
  join moved using (id)
  where held.reason is distinct from held.reason_before;
  perform batchline.complete_batches(  -- the last one may have been skipped
    array(select distinct (held ->> 'batch_id')::uuid from jsonb_array_elements(p_held) as held)
  );
end;
$$;
