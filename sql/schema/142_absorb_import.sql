-- The provider's call was stored as somebody else's before we knew that it is this one (an event without our metadata):
-- that row goes, and what it knew is answered. Its events stay, under the provider's id.
create function batchline.absorb_import(p_agency_id uuid, p_ultravox_call_id uuid)
returns jsonb
language sql volatile set search_path = ''
as $$
  delete from public.calls
  where agency_id = p_agency_id and ultravox_call_id = p_ultravox_call_id and contact_id is null
  returning raw;
$$;
