-- Nouns live in public, where Supabase clients expect them; verbs live here, and only service_role may use them.
create schema batchline;

comment on schema batchline is
  'The verbs of Batchline: one function per transition, the only writers. Lock order, everywhere: the agency''s '
  'advisory lock, then batch rows by id, then contacts, then calls; a function that serves several agencies finishes '
  'one before it starts the next, by id.';

revoke all on schema batchline from public;
