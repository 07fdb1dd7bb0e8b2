-- Late knowledge: the contact follows its call back, with the attempt counted, if nothing else has happened to it
-- since. The agency's lock keeps the claim away from the contact and its number.
create function batchline.revive_contact(p_call public.calls)
returns boolean
language plpgsql volatile set search_path = ''
as $$
begin
  if exists (
    select from public.calls
    where agency_id = p_call.agency_id and to_number = p_call.to_number and is_live
  ) then
    return false;
  end if;
  update public.campaign_contacts as contact
  set status = 'in_progress',
      attempts = contact.attempts + (p_call.dial_result is distinct from 'number_refused')::int,  -- that one still counts
      next_attempt_at = null,
      completed_at = null,
      outcome = null,
      outcome_notes = null,
      reason = 'The provider has the call after all',
      reason_at = batchline.clock()
  from public.call_batches as batch
  where contact.id = p_call.contact_id
    and contact.call_id = p_call.id
    and contact.status in ('queued', 'skipped', 'failed')
    and batch.id = contact.batch_id
    and batch.status <> 'completed';
  return found;
end;
$$;
