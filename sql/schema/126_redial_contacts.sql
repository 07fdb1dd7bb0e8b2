-- The contacts of a batch that a redial calls again, in their order, as add_contacts takes them: those that are done with
-- and were not reached, with one of the outcomes; not_called are those who were skipped before anybody called them.
-- Left out are numbers on the do-not-call list, erased people, and who waits in, or was reached by, an earlier redial.
create function batchline.redial_contacts(p_batch public.call_batches, p_outcomes text[])
returns jsonb
language sql stable
set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
  select coalesce(jsonb_agg(to_jsonb(contact) order by contact.position), '[]')
  from public.campaign_contacts as contact
  where contact.batch_id = p_batch.id
    and contact.status in ('failed', 'skipped')
    and coalesce(contact.outcome, case when contact.attempts = 0 then 'not_called' end) = any (p_outcomes)
    and (contact.time_zones is not null or p_batch.campaign_id is null)  -- else no time zone is known
    and contact.phone_number not like 'erased:%'
    and not exists (
      select from public.do_not_call as listed
      where listed.agency_id = contact.agency_id and listed.phone_number = contact.phone_number
    )
    and not exists (
      select from public.call_batches as redial
      join public.campaign_contacts as again on again.batch_id = redial.id and again.phone_number = contact.phone_number
      where redial.redial_of = p_batch.id and redial.deleted_at is null
        and again.status in ('pending', 'queued', 'in_progress', 'completed')
    );
$$;
