-- One notice of a batch that is final, or all of the batch's that failed: sent once more, with as many attempts as a new
-- one. They take their old places, before what waits.
create function batchline.replay_notices(p_user_id uuid, p_batch_id uuid, p_notice_id uuid)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_batch public.call_batches := batchline.require_batch(v_user.agency_id, p_batch_id);
  v_replayed int;
begin
  if p_notice_id is not null and not exists (select from public.notices where id = p_notice_id and batch_id = v_batch.id) then
    perform batchline.refuse(404, 'notice_not_found', 'Notice not found or is not one of the batch');
  end if;
  if not exists (select from public.notice_endpoints where agency_id = v_user.agency_id and active) then
    perform batchline.refuse(400, 'no_notice_endpoint', 'There is no active endpoint to send notices to');
  end if;
  update public.notices
  set status = 'waiting', attempts = 0, next_attempt_at = batchline.clock(), finished_at = null
  where batch_id = v_batch.id
    and case when p_notice_id is null then status = 'failed' else id = p_notice_id and status <> 'waiting' end;
  get diagnostics v_replayed = row_count;
  return jsonb_build_object('replayed', v_replayed);
end;
$$;
