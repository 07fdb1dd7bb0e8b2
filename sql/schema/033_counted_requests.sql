-- What callers asked for in the last minute. Not logged to disk: after a crash everybody starts with a clean slate.
create unlogged table public.counted_requests (
  caller_id uuid not null,  -- a user or an API key
  place int not null,  -- one of as many as the agency's limit: who takes it has it for a minute
  created_at timestamptz not null,
  primary key (caller_id, place)
);
comment on table public.counted_requests is 'The requests of the last minute that count for their caller''s limit.';
