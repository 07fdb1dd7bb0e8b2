set local lock_timeout = '4s';
set local statement_timeout = '30s';

create table public.processor_runs (
  processor text primary key,
  started_at timestamptz not null,
  ended_at timestamptz not null,
  outcome text not null,
  created_at timestamptz not null default batchline.clock(),  -- of the row: when it first ran
  constraint run_outcome_is_known check (outcome in ('succeeded', 'failed')),
  constraint run_ends_after_it_began check (ended_at >= started_at)
);
comment on table public.processor_runs is 'The last run of each processor: one row each, written over by the next.';

-- Of no agency: whoever belongs to one may know whether the processors run.
create policy processor_runs_are_read_by_every_agency on public.processor_runs for select to authenticated
  using (exists (select from public.users where id = (select auth.uid()) and agency_id is not null));
alter table public.processor_runs enable row level security;
revoke all on public.processor_runs from anon, authenticated;
grant select, insert, update, delete on public.processor_runs to service_role;
grant select on public.processor_runs to authenticated;
grant select (is_live) on public.calls to authenticated;

-- How the processors are, and what is out of the caller's agency. Unsettled: nobody knows yet whether the provider has
-- the call. A processor that has never run is not among them.
create or replace function public.get_status()
returns jsonb
language plpgsql stable
set search_path = '' set enable_seqscan = off set jit = off
as $$
declare
  v_agency_id uuid := public.my_agency_id();
  v_now timestamptz := public.reading_time();
  v_processors jsonb;
begin
  select coalesce(jsonb_agg(jsonb_build_object(
    'processor', processor,
    'started_at', public.iso_utc(started_at),
    'ended_at', public.iso_utc(ended_at),
    'outcome', outcome,
    'age_seconds', greatest(0, round(extract(epoch from v_now - ended_at), 1))
  ) order by processor), '[]')
  into v_processors
  from public.processor_runs;

  return (
    select jsonb_build_object(
      'processors', v_processors,
      'live_calls', count(*),
      'unknown_calls', count(*) filter (where status = 'unknown'),
      'oldest_unsettled_seconds', round(extract(epoch from v_now - min(coalesce(began_at, created_at)) filter (
        where status in ('claimed', 'dialing', 'unknown')
      )), 1)
    )
    from public.calls
    where agency_id = v_agency_id and is_live
  );
end;
$$;

-- The newest migration that was applied; null where none is recorded. Runs as the owner, because the record is the
-- migrating tool's own and the service has no right to it.
create or replace function batchline.schema_version()
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

-- The end of a processor's run, which took so many seconds. Of runs that overlap the one that ended last is kept.
create or replace function batchline.record_run(p_processor text, p_seconds double precision, p_outcome text)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
begin
  insert into public.processor_runs as run (processor, started_at, ended_at, outcome)
  values (p_processor, v_now - make_interval(secs => p_seconds), v_now, p_outcome)
  on conflict (processor) do update
  set started_at = excluded.started_at, ended_at = excluded.ended_at, outcome = excluded.outcome
  where run.ended_at <= excluded.ended_at;
end;
$$;

revoke all on function
  batchline.record_run(text, double precision, text),
  batchline.schema_version(),
  public.get_status()
from public, anon, authenticated;
grant execute on function
  batchline.record_run(text, double precision, text),
  batchline.schema_version(),
  public.get_status()
to service_role;
grant execute on function public.get_status() to authenticated;
