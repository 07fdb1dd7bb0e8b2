-- The time zones in which a batch's hours must be open for a contact that was sent with these; null: none is known.
create function batchline.contact_zones(p_hours jsonb, p_time_zones jsonb)
returns text[]
language sql immutable set search_path = ''
as $$
  select case
    when p_hours is null then '{}'
    when p_hours ->> 'timezone' <> 'recipient' then array[p_hours ->> 'timezone']
    else (select array_agg(name order by name) from jsonb_array_elements_text(nullif(p_time_zones, 'null')) as zone (name))
  end;
$$;
