-- A date_to that lies ahead is now: a range that is still growing could not be told to be whole.
create function batchline.create_historical_sync_job(p_user_id uuid, p_date_from timestamptz, p_date_to timestamptz)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, false);
  v_date_to timestamptz := least(p_date_to, batchline.clock());
  v_job_id uuid;
begin
  if p_date_from >= v_date_to then
    perform batchline.refuse(400, 'bad_request', 'date_from must be before date_to and not lie in the future');
  end if;
  insert into public.historical_sync_jobs (agency_id, date_from, date_to, created_by)
  values (v_user.agency_id, p_date_from, v_date_to, v_user.id)
  on conflict (agency_id) where status in ('pending', 'in_progress') do nothing
  returning id into v_job_id;
  if v_job_id is null then
    perform batchline.refuse(
      409, 'sync_job_already_exists', 'A sync job already exists for the agency and is pending or in progress'
    );
  end if;
  return jsonb_build_object('job_id', v_job_id, 'status', 'pending');
end;
$$;
