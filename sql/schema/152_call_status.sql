create function batchline.call_status(p_call jsonb)
returns text
language sql immutable set search_path = ''
as $$
  select case
    when p_call ->> 'ended' is not null then 'ended'
    when p_call ->> 'joined' is not null then 'answered'
    else 'ringing'
  end;
$$;
