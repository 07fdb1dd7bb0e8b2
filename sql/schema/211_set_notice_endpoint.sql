-- Where and of what an agency is told. The secret of p_seed becomes the endpoint's where it has none or p_rotate is set;
-- the one before it goes on signing for a day. The answer's secret_seed tells whose secret counts.
create function batchline.set_notice_endpoint(
  p_user_id uuid, p_url text, p_events text[], p_active boolean, p_rotate boolean, p_seed text, p_secret_hash text
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_now timestamptz := batchline.clock();
  v_reason text := case when not p_active then 'Switched off by a user' end;
  v_endpoint public.notice_endpoints;
begin
  insert into public.notice_endpoints as known (
    agency_id, url, events, active, disabled_reason, secret_seed, secret_hash, updated_by, created_at, updated_at
  )
  values (v_user.agency_id, p_url, p_events, p_active, v_reason, p_seed, p_secret_hash, v_user.id, v_now, v_now)
  on conflict (agency_id) do update
  set url = excluded.url,
      events = excluded.events,
      active = excluded.active,
      disabled_reason = excluded.disabled_reason,
      secret_seed = case when p_rotate then excluded.secret_seed else known.secret_seed end,
      secret_hash = case when p_rotate then excluded.secret_hash else known.secret_hash end,
      previous_seed = case when p_rotate then known.secret_seed else known.previous_seed end,
      previous_until = case when p_rotate then v_now + interval '1 day' else known.previous_until end,
      updated_by = excluded.updated_by,
      updated_at = excluded.updated_at
  returning * into v_endpoint;
  if not p_active then
    perform batchline.drop_notices(v_user.agency_id, v_reason);
  end if;
  return public.notice_endpoint_json(v_endpoint) || jsonb_build_object('secret_seed', v_endpoint.secret_seed);
end;
$$;
