create table public.contact_import_faults (
  import_id uuid not null references public.contact_imports (id) on delete cascade,
  cursor bigint not null,  -- of the chunk in which they were found
  faults jsonb not null,  -- [[row, column, what, detail], …]; put into words where the report is written
  created_at timestamptz not null default batchline.clock(),
  primary key (import_id, cursor)
);

comment on table public.contact_import_faults is 'What was wrong with the rows of a list, chunk by chunk, until the report is written.';
