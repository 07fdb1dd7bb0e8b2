-- For whom calls-batch-process is needed, one entry each, where one run serves one agency.
create function batchline.dialling_agencies()
returns jsonb
language sql volatile set search_path = ''
as $$
  select coalesce(jsonb_agg(active.id), '[]') from batchline.active_agencies(batchline.clock()) as active (id);
$$;
