-- Late knowledge: the contact follows its call back, with the attempt counted, where nobody else is being called at its
-- number and it is not done with: a contact that has had a later call is taken back from the queue, but not from its
-- end. The agency's lock keeps the claim away from the contact and its number.
create function batchline.revive_contact(p_call public.calls, p_reason text)
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
      call_id = p_call.id,
      attempts = least(  -- that of a refused number still counts
        contact.attempts + (p_call.dial_result is distinct from 'number_refused')::int, contact.max_attempts
      ),
      next_attempt_at = null,
      completed_at = null,
      outcome = null,
      outcome_notes = null,
      reason = p_reason,
      reason_at = batchline.clock()
  from public.call_batches as batch
  where contact.id = p_call.contact_id
    and (contact.status = 'queued' or contact.status in ('skipped', 'failed') and contact.call_id = p_call.id)
    and batch.id = contact.batch_id
    and batch.status <> 'completed';
  return found;
end;
$$;
