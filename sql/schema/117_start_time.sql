-- When a batch is to start: null is now. A time up to five minutes ago is a client that was slow, not a mistake.
create function batchline.start_time(p_time timestamptz, p_field text)
returns timestamptz
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
begin
  if p_time < v_now - interval '5 minutes' then
    perform batchline.refuse(400, 'bad_request', p_field || ' must not lie in the past', jsonb_build_object('field', p_field));
  end if;
  return case when p_time > v_now then p_time end;
end;
$$;
