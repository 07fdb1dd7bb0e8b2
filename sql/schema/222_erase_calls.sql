-- What was said in the person's calls, and to which number they went. That there were calls, when and how long, stays:
-- pace, caps and bills rest on it.
create function batchline.erase_calls(p_call_ids uuid[], p_phone_number text, p_hash text)
returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_changed int;
begin
  update public.calls
  set to_number = case when to_number = p_phone_number then p_hash else batchline.without_number(to_number, p_phone_number) end,
      from_number = batchline.without_number(from_number, p_phone_number),
      reason = batchline.without_number(reason, p_phone_number),
      end_reason = batchline.without_number(end_reason, p_phone_number),
      short_summary = null,
      summary = null,
      raw = batchline.impersonal(coalesce(raw, '{}'))
  where id = any (p_call_ids) and not coalesce(raw ? 'erased', false);
  get diagnostics v_changed = row_count;
  return v_changed;
end;
$$;
