-- The one place that puts a contact back after a call: queued, or final where nothing may follow.
-- p_counted says whether the attempt counts; it does not where nobody was certainly asked.
create function batchline.requeue_contact(
  p_call public.calls, p_at timestamptz, p_counted boolean, p_reason text, p_outcome text default null
)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_batch public.call_batches;
  v_is_over boolean;
  v_status text;
  v_reason text := p_reason;
  v_rule text;
begin
  select * into v_batch from public.call_batches where id = p_call.batch_id;
  v_is_over := v_batch.status in ('completed', 'failed', 'cancelled') or coalesce(v_batch.ends_at <= v_now, false);

  select case
           when v_is_over or listed.phone_number is not null then 'skipped'
           when contact.attempts - (not p_counted)::int >= contact.max_attempts then 'failed'
           else 'queued'
         end,
         case
           when v_is_over then batchline.closing_note(v_batch)
           when listed.phone_number is not null then 'On the do-not-call list'
           else p_reason
         end,
         case
           when v_batch.status in ('completed', 'failed', 'cancelled') then null
           when v_is_over then 'ends_at'
           when listed.phone_number is not null then 'do_not_call'
         end
  into v_status, v_reason, v_rule
  from public.campaign_contacts as contact
  left join public.do_not_call as listed using (agency_id, phone_number)
  where contact.id = p_call.contact_id and contact.status = 'in_progress' and contact.call_id = p_call.id;
  if not found then
    return;
  end if;

  update public.campaign_contacts
  set status = v_status,
      attempts = attempts - (not p_counted)::int,
      next_attempt_at = case when v_status = 'queued' then p_at end,
      completed_at = case when v_status <> 'queued' then v_now end,
      outcome = coalesce(p_outcome, outcome),
      outcome_notes = case when v_status <> 'queued' then v_reason else outcome_notes end,
      reason = v_reason,
      reason_at = v_now
  where id = p_call.contact_id;

  perform batchline.log_call_event(
    p_call,
    case v_status when 'queued' then 'requeued' else v_status end,
    v_reason,
    case
      when v_status = 'queued' then jsonb_build_object('until', public.iso_utc(p_at))
      when v_rule is not null then jsonb_build_object('rule', v_rule)
    end
  );
end;
$$;
