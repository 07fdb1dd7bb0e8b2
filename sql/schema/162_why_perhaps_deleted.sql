-- Why a call that the provider no longer lists may have been placed all the same; null: it was not. What is left of a
-- deleted call carries none of our ids, so that any that is no other call we know of may be this one.
create function batchline.why_perhaps_deleted(p_call public.calls, p_deleted uuid[], p_deletes boolean)
returns text
language sql stable set search_path = ''
as $$
  select case
    when p_deletes then 'The agent''s calls delete themselves, so the provider cannot tell whether it was placed'
    when exists (
      select from unnest(p_deleted) as deleted (id)
      where not exists (
        select from public.calls
        where agency_id = p_call.agency_id and ultravox_call_id = deleted.id and id <> p_call.id
      )
    ) then 'A call was deleted at the provider that may be this one'
  end;
$$;
