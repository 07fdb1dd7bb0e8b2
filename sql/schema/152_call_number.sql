-- The number of an outgoing call, wherever the payload has it.
create function batchline.call_number(p_call jsonb, p_end text)
returns text
language sql immutable set search_path = ''
as $$
  select coalesce(
    jsonb_path_query_first(p_call, '$.medium.*.outgoing') ->> p_end,
    case p_end when 'to' then p_call #>> '{metadata,to_number}' end
  );
$$;
