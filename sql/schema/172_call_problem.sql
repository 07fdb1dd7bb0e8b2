-- Why a call cannot be read; null when it can.
create function batchline.call_problem(p_agency_id uuid, p_call jsonb)
returns text
language plpgsql stable set search_path = ''
as $$
begin
  perform batchline.read_call(p_agency_id, p_call);
  return null;
exception when data_exception then
  return sqlerrm;
end;
$$;
