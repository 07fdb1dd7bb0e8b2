-- An endpoint that takes no more: what waits is given up, and can be replayed when there is one again.
create function batchline.drop_notices(p_agency_id uuid, p_reason text)
returns void
language sql volatile set search_path = ''
as $$
  update public.notices
  set status = 'failed', last_error = p_reason, finished_at = batchline.clock(), claimed_by = null, claimed_until = null
  where agency_id = p_agency_id and status = 'waiting';
$$;
