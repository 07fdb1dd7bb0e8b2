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
