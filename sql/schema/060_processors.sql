-- What runs on a schedule, by name: serverless.yml says when, and a test holds the two equal.
create function public.processors()
returns text[]
language sql immutable set search_path = ''
as $$
  select array['calls-batch-process', 'process-contact-imports', 'process-historical-sync', 'process-notices']
$$;
