-- What callers asked for in the last minute. Not logged to disk: after a crash everybody starts with a clean slate.
create unlogged table public.counted_requests (
  caller_id uuid not null,  -- a user or an API key
  created_at timestamptz not null,
  id bigint generated always as identity,
  primary key (caller_id, created_at, id)
);
comment on table public.counted_requests is 'The requests of the last minute that count for their caller''s limit.';
