"""What Supabase's linter (splinter) would find, asked of the catalogs: nothing, at any level.

One query of ours per rule that the catalogs decide, by the rule's name; each must find what is planted for it. Left out
is what depends on use (`unused_index`, `table_bloat`, replication slots), on extensions (none is used), on the storage
API, and `pg_graphql_*`, which asks for tables not to be readable that are meant to be.
"""

# ruff: noqa: S608 - what the queries are made of stands here
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sql.checks import query

if TYPE_CHECKING:
    from typing import LiteralString

    from tests.factories import Connection

OURS = "('public'::regnamespace, 'batchline'::regnamespace)"
TABLE = "create table public.planted (id int primary key, agency_id uuid); "
SECURED = TABLE + "alter table public.planted enable row level security; "
SEEN = "grant select on public.planted to authenticated"
POLICY = "create policy planted on public.planted "
DEFINER = (
    "create function public.planted() returns int language sql security definer set search_path = '' as 'select 1'; "
)
UNINDEXED = f"""
    select conrelid::regclass, conname from pg_constraint
    where contype = 'f' and connamespace in {OURS}
      and not exists (
        select from pg_index
        where indrelid = conrelid and indisvalid and (indkey::int2[])[0:cardinality(conkey) - 1] = conkey
      )
"""
USERS_EXPOSED = """
    select distinct ev_class::regclass from pg_depend join pg_rewrite on pg_rewrite.oid = pg_depend.objid
    where refobjid = 'auth.users'::regclass and deptype = 'n'
      and (has_table_privilege('anon', ev_class, 'select') or has_table_privilege('authenticated', ev_class, 'select'))
"""
ONCE_PER_ROW = r"""
    select tablename, policyname from pg_policies
    where replace(lower(coalesce(qual, '') || coalesce(with_check, '')), '( select auth.', '') ~ '\mauth\.\w+\('
"""
WITHOUT_KEY = f"""
    select relname from pg_class where relnamespace in {OURS} and relkind = 'r'
      and not exists (select from pg_index where indrelid = pg_class.oid and indisprimary)
"""
TWO_POLICIES = """
    select tablename, cmd from pg_policies where permissive = 'PERMISSIVE' group by tablename, cmd having count(*) > 1
    union all
    select tablename, cmd from pg_policies where cmd = 'ALL'
"""
POLICY_WITHOUT_SECURITY = """
    select distinct polrelid::regclass from pg_policy join pg_class on pg_class.oid = polrelid where not relrowsecurity
"""
SECURITY_WITHOUT_POLICY = f"""
    select relname from pg_class where relnamespace in {OURS} and relrowsecurity
      and not exists (select from pg_policy where polrelid = pg_class.oid)
"""
SAME_INDEX = f"""
    select tablename, array_agg(indexname) from pg_indexes
    where schemaname::regnamespace in {OURS}
    group by tablename, regexp_replace(indexdef, '^CREATE (UNIQUE )?INDEX \\S+ ', '')
    having count(*) > 1
"""
VIEW_OF_ITS_OWNER = f"""
    select relname from pg_class where relnamespace in {OURS} and relkind = 'v'
      and not coalesce(reloptions, '{{}}') @> '{{security_invoker=true}}'
"""
OPEN_SEARCH_PATH = f"""
    select oid::regprocedure from pg_proc
    where pronamespace in {OURS} and not coalesce(proconfig, '{{}}') @> array['search_path=""']
"""
NO_SECURITY = f"select relname from pg_class where relnamespace in {OURS} and relkind = 'r' and not relrowsecurity"
USER_METADATA = r"select policyname from pg_policies where coalesce(qual, '') || coalesce(with_check, '') ~ '_metadata'"
FOREIGN_OR_STORED = f"select relname from pg_class where relnamespace in {OURS} and relkind in ('m', 'f')"
REG_TYPES = f"""
    select attrelid::regclass, attname from pg_attribute join pg_class on pg_class.oid = attrelid
    where relnamespace in {OURS} and relkind = 'r'
      and atttypid in ('regproc'::regtype, 'regclass'::regtype, 'regtype'::regtype, 'regrole'::regtype)
"""
KEY_TO_UNIQUE_OF_AUTH = f"""
    select conrelid::regclass, conname from pg_constraint
    where contype = 'f' and connamespace in {OURS} and confrelid = 'auth.users'::regclass
      and not exists (select from pg_index where indexrelid = conindid and indisprimary)
"""
SENSITIVE = f"""
    select attrelid::regclass, attname from pg_attribute join pg_class on pg_class.oid = attrelid
    where relnamespace in {OURS} and relkind in ('r', 'v')
      and attname ~ '(password|secret|token|private_key|api_secret|card_number|ssn)'
      and (has_column_privilege('anon', attrelid, attnum, 'select')
        or has_column_privilege('authenticated', attrelid, attnum, 'select'))
"""
ALWAYS_TRUE = """
    select tablename, policyname from pg_policies
    where coalesce(qual, '') in ('true', '(1 = 1)') or coalesce(with_check, '') in ('true', '(1 = 1)')
"""
OF_ITS_OWNER = f"""
    select oid::regprocedure from pg_proc where pronamespace in {OURS} and prosecdef
      and (has_function_privilege('anon', oid, 'execute') or has_function_privilege('authenticated', oid, 'execute'))
"""
INVALID_INDEX = "select indexrelid::regclass from pg_index where not indisvalid"
NOT_VACUUMED = f"""
    select relname from pg_class where relnamespace in {OURS} and reloptions::text ~ 'autovacuum_enabled=(false|off)'
"""

RULES: dict[str, tuple[LiteralString, LiteralString]] = {
    "unindexed_foreign_keys": (
        UNINDEXED,
        TABLE + "alter table public.planted add foreign key (agency_id) references public.agencies (id)",
    ),
    "auth_users_exposed": (USERS_EXPOSED, "create view public.planted as select id from auth.users; " + SEEN),
    "auth_rls_initplan": (ONCE_PER_ROW, SECURED + POLICY + "using (agency_id = auth.uid())"),
    "no_primary_key": (WITHOUT_KEY, "create table public.planted (id int)"),
    "multiple_permissive_policies": (
        TWO_POLICIES,
        SECURED
        + POLICY
        + "for select using (id = 1); "
        + POLICY.replace("planted", "other", 1)
        + "for select using (id = 2)",
    ),
    "policy_exists_rls_disabled": (POLICY_WITHOUT_SECURITY, TABLE + POLICY + "for select using (id = 1)"),
    "rls_enabled_no_policy": (SECURITY_WITHOUT_POLICY, SECURED),
    "duplicate_index": (
        SAME_INDEX,
        TABLE + "create index one on public.planted (agency_id); create index two on public.planted (agency_id)",
    ),
    "security_definer_view": (VIEW_OF_ITS_OWNER, "create view public.planted as select 1 as id"),
    "function_search_path_mutable": (
        OPEN_SEARCH_PATH,
        "create function public.planted() returns int language sql as 'select 1'",
    ),
    "rls_disabled_in_public": (NO_SECURITY, TABLE),
    "rls_references_user_metadata": (
        USER_METADATA,
        SECURED + POLICY + "using ((select auth.jwt()) -> 'user_metadata' is not null)",
    ),
    "materialized_view_in_api": (FOREIGN_OR_STORED, "create materialized view public.planted as select 1 as id"),
    "unsupported_reg_types": (REG_TYPES, "create table public.planted (id regclass primary key)"),
    "fkey_to_auth_unique": (
        KEY_TO_UNIQUE_OF_AUTH,
        "create unique index planted on auth.users (email); "
        "create table public.planted (id text primary key references auth.users (email))",
    ),
    "sensitive_columns_exposed": (
        SENSITIVE,
        "create table public.planted (id int primary key, api_token text); " + SEEN,
    ),
    "rls_policy_always_true": (ALWAYS_TRUE, SECURED + POLICY + "for select using (true)"),
    "security_definer_function_executable": (
        OF_ITS_OWNER,
        DEFINER + "grant execute on function public.planted() to anon",
    ),
    "invalid_index": (
        INVALID_INDEX,
        TABLE + "update pg_index set indisvalid = false where indrelid = 'public.planted'::regclass",
    ),
    "autovacuum_disabled": (
        NOT_VACUUMED,
        "create table public.planted (id int primary key) with (autovacuum_enabled = false)",
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_linter_finds_nothing(connection: Connection, rule: str) -> None:
    assert query(connection, RULES[rule][0]) == []


@pytest.mark.parametrize("rule", RULES)
def test_the_linter_finds_what_is_planted(connection: Connection, rule: str) -> None:
    found, planted = RULES[rule]
    connection.execute(planted)

    assert query(connection, found) != []
