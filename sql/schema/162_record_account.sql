-- What the provider's account allows at once; null where it names no cap.
create function batchline.record_account(p_agency_id uuid, p_allowed_concurrent_calls int)
returns void
language sql volatile set search_path = ''
as $$
  update public.agencies set provider_concurrent_calls = p_allowed_concurrent_calls where id = p_agency_id;
$$;
