create table public.agencies (
  id uuid primary key default gen_random_uuid(),
  public_id text not null default substr(replace(gen_random_uuid()::text, '-', ''), 1, 20),
  name text not null,
  max_calls_per_minute int not null default 60,
  max_concurrent_calls int not null default 100,
  provider_concurrent_calls int,  -- what the provider's account allows; null = it names no cap
  account_checked_at timestamptz,
  dial_after timestamptz,  -- the provider asked for a pause (Retry-After)
  created_at timestamptz not null default batchline.clock(),
  default_calls_per_minute int not null default 30,  -- of batches that programs create
  default_max_concurrent int not null default 10,
  max_requests_per_minute int not null default 120,  -- of each user and each API key, of what writes
  max_daily_calls_per_number int not null default 3,  -- begun in any 24 h
  minutes_between_batches int not null default 60,  -- between calls to one number by different batches
  constraint agencies_public_id_is_unique unique (public_id),
  constraint agency_pace_is_positive check (max_calls_per_minute > 0 and max_concurrent_calls > 0),
  constraint request_limit_is_positive check (max_requests_per_minute > 0),
  constraint default_pace_is_positive check (default_calls_per_minute > 0 and default_max_concurrent > 0),
  constraint daily_calls_per_number_are_positive check (max_daily_calls_per_number > 0),
  constraint minutes_between_batches_are_not_negative check (minutes_between_batches between 0 and 1440),
  constraint provider_cap_is_not_negative check (provider_concurrent_calls >= 0)
);
comment on table public.agencies is 'The tenant. Every row of every other table belongs to one.';
