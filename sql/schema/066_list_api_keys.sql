-- All keys of the caller's agency, newest first, revoked ones too. Column by column: users may not read the whole row.
create function public.list_api_keys()
returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_agency_id uuid := public.my_agency_id();
begin
  return (
    select coalesce(
      jsonb_agg(
        public.api_key_json(
          row(
            key.id, key.agency_id, key.name, key.api_key, null::bytea, key.created_by, key.created_at,
            key.last_used_at, key.revoked_at
          )::public.api_keys
        )
        order by key.created_at desc, key.id
      ),
      '[]'
    )
    from public.api_keys as key
    where key.agency_id = v_agency_id
  );
end;
$$;
