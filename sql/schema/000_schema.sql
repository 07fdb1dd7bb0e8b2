-- Nouns live in public, where Supabase clients expect them; verbs live here, and only service_role may use them.
create schema batchline;

comment on schema batchline is
  'The verbs of Batchline: one function per transition, the only writers. Lock order, everywhere: a sync job, the '
  'agency''s advisory lock, then batch rows by id, then contacts, then calls; a function that serves several agencies '
  'finishes one before it starts the next, by id.';

revoke all on schema batchline from public;

-- What every request and every turn calls reads by index alone (enable_seqscan = off and the like): a young table has no
-- statistics, and a plan made for it is kept when it has grown. jit = off goes with it: before PostgreSQL 18 a forbidden
-- step that cannot be avoided counts as dear, and dear plans are compiled, for 110 ms.
