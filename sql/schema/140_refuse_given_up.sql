-- A call was given up between the look that chose the locks and the locks. To wake it takes the agency's lock, which
-- comes before the batch's, so everything starts again.
create function batchline.refuse_given_up(p_call_ids uuid[])
returns void
language plpgsql stable set search_path = ''
as $$
begin
  if exists (select from public.calls where id = any (p_call_ids) and status = 'not_placed') then
    raise exception using errcode = '40001', message = 'A call was settled meanwhile; repeat';
  end if;
end;
$$;
