-- When a program's batch starts, from what it asked for. Where that is contradictory nobody is called.
create function batchline.batch_call_start(
  p_status text, p_time timestamptz, p_send_now boolean, out status text, out start_at timestamptz
)
language plpgsql volatile set search_path = ''
as $$
begin
  if p_status = 'draft' then
    if p_send_now then
      perform batchline.refuse(400, 'bad_request', 'send_now cannot be true for a draft', '{"field": "send_now"}');
    end if;
    status := 'draft';
    start_at := p_time;  -- of no meaning before it is executed or scheduled, so it may lie in the past
    return;
  end if;
  if not p_send_now then
    if p_status = 'scheduled' and (p_time is null or p_time <= batchline.clock()) then
      perform batchline.refuse(
        400, 'bad_request', 'trigger_timestamp must lie in the future where status is scheduled',
        '{"field": "trigger_timestamp"}'
      );
    end if;
    start_at := batchline.start_time(p_time, 'trigger_timestamp');
  end if;
  status := case when start_at is null then 'pending' else 'scheduled' end;
end;
$$;
