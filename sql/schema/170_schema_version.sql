-- The newest migration that was applied; null where none is recorded. Runs as the owner, because the record is the
-- migrating tool's own and the service has no right to it.
create function batchline.schema_version()
returns text
language plpgsql stable security definer
set search_path = ''
as $$
begin
  return (select max(version) from supabase_migrations.schema_migrations);
exception when undefined_table then
  return null;
end;
$$;
