-- pending, in_progress -> cancelled. A page that is being written is waited for; its worker then finds its lease gone.
create function batchline.cancel_sync_job(p_user_id uuid, p_job_id uuid)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, false);
  v_status text;
begin
  select status into v_status from public.historical_sync_jobs
  where id = p_job_id and agency_id = v_user.agency_id for no key update;
  if not found then
    perform batchline.refuse(
      404, 'sync_job_not_found', 'Sync job not found or does not belong to the user''s agency'
    );
  elsif v_status not in ('pending', 'in_progress') then
    perform batchline.refuse(
      400, 'sync_job_not_cancellable', 'Sync job is not pending or in progress',
      jsonb_build_object('current_status', v_status)
    );
  end if;
  update public.historical_sync_jobs
  set status = 'cancelled', completed_at = batchline.clock(), claimed_by = null, claimed_until = null
  where id = p_job_id;
  return jsonb_build_object('job_id', p_job_id, 'status', 'cancelled');
end;
$$;
