-- PostgREST answers SQLSTATE PTxyz with status xyz; the sentence goes to the client as it is, the members of p_extra too.
create function batchline.refuse(p_status int, p_code text, p_sentence text, p_extra jsonb default '{}')
returns void
language plpgsql set search_path = ''
as $$
begin
  raise exception using
    errcode = 'PT' || p_status,
    message = p_sentence,
    detail = (jsonb_build_object('code', p_code) || p_extra)::text;
end;
$$;
