-- One notice that is final, or all failed ones of a batch: sent once more, with as many attempts as a new one. They take
-- their old places, before what waits.
create function batchline.replay_notices(p_user_id uuid, p_notice_id uuid, p_batch_id uuid)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_replayed int;
begin
  if not exists (select from public.notice_endpoints where agency_id = v_user.agency_id and active) then
    perform batchline.refuse(400, 'no_notice_endpoint', 'There is no active endpoint to send notices to');
  end if;
  if p_batch_id is not null then
    perform batchline.require_batch(v_user.agency_id, p_batch_id);
  elsif not exists (select from public.notices where id = p_notice_id and agency_id = v_user.agency_id) then
    perform batchline.refuse(404, 'notice_not_found', 'Notice not found or does not belong to the user''s agency');
  end if;
  update public.notices
  set status = 'waiting', attempts = 0, next_attempt_at = batchline.clock(), finished_at = null
  where (id = p_notice_id and agency_id = v_user.agency_id and status <> 'waiting')
     or (batch_id = p_batch_id and status = 'failed');
  get diagnostics v_replayed = row_count;
  return jsonb_build_object('replayed', v_replayed);
end;
$$;
