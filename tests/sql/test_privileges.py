"""Who may do what, enumerated from the catalogs, so that nothing new is open by accident."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.sql.checks import query
from tests.sql.world import World, become

if TYPE_CHECKING:
    from tests.factories import Connection

OUTSIDE = ("anon", "authenticated")
TABLES = {
    "agencies", "users", "campaigns", "agent_mappings", "agency_phone_numbers", "do_not_call", "call_batches",
    "campaign_contacts", "calls", "call_events", "historical_sync_jobs", "historical_sync_failures", "api_keys",
    "idempotent_answers", "counted_requests", "call_batch_zones", "contact_imports", "contact_import_faults",
    "notice_endpoints", "notices", "erasures", "erasure_salts",
    "processor_runs",
}  # fmt: skip
OF_THE_SERVICE_ALONE = {"erasure_salts", "idempotent_answers", "counted_requests", "contact_import_faults"}
VIEWS = {"v_call_batch_summary"}
HIDDEN_FROM_USERS = {
    "agencies": {"account_checked_at", "dial_after", "max_requests_per_minute"},
    "calls": {
        "max_duration_seconds", "claimed_by", "claimed_at", "claimed_until", "dial_result", "unknown_at", "asked_at",
        "none_at", "news_at", "raw",
    },
    "call_events": {"ultravox_call_id", "payload"},
    "historical_sync_jobs": {"cursor", "attempts", "resume_after", "claimed_by", "claimed_until"},
    "contact_imports": {"asked_at", "etag", "attempts", "resume_after", "last_error_at", "claimed_by", "claimed_until"},
    "contact_import_faults": {"import_id", "cursor", "faults", "created_at"},
    "api_keys": {"secret_hash"},
    "erasure_salts": {"agency_id", "salt", "created_at"},
    "idempotent_answers": {"agency_id", "endpoint", "key", "fingerprint", "answer", "created_at"},
    "counted_requests": {"caller_id", "place", "created_at"},
    "notice_endpoints": {"secret_seed", "secret_hash", "previous_seed"},
    "notices": {"data", "claimed_by", "claimed_until"},
}  # fmt: skip
USERS_MAY_CALL = {
    "iso_utc", "my_agency_id", "batch_json", "contact_json", "list_call_batches", "get_call_batch",
    "get_sync_status", "api_key_json", "list_api_keys", "list_do_not_call", "campaign_json", "list_campaigns",
    "offset_spans", "zone_windows", "calling_windows", "forecast_segments", "forecast_end", "forecast_queues",
    "forecast_rate", "batch_forecast", "contact_hours", "get_contact", "reading_time", "get_contact_import",
    "notice_json", "notice_endpoint_json", "list_notices", "batch_history", "export_contacts", "export_calls",
    "get_status", "processors",
}  # fmt: skip
# The trail is append-only for the service; erasing a person is the one change to it, and acts as its owner. The record
# of migrations belongs to the migrating tool; its newest version is all that the service learns of it.
AS_THE_OWNER = {"erase_events", "schema_version"}
OURS = "('public'::regnamespace, 'batchline'::regnamespace)"


def test_the_relations_are_those_that_these_tests_know(connection: Connection) -> None:
    found = query(connection, f"select relname, relkind::text from pg_class where relnamespace in {OURS} "  # noqa: S608
                 "and relkind in ('r', 'v', 'm', 'p', 'f')")  # fmt: skip

    assert {name for name, kind in found if kind == "r"} == TABLES
    assert {name for name, kind in found if kind != "r"} == VIEWS


@pytest.mark.parametrize("role", OUTSIDE)
def test_nobody_from_outside_may_write_any_table_view_or_sequence(connection: Connection, role: str) -> None:
    statement = f"""
        select relname, privilege
        from pg_class
        cross join unnest(array['insert', 'update', 'delete', 'truncate', 'references', 'trigger']) as privilege
        where relnamespace in {OURS} and relkind in ('r', 'v', 'm', 'p', 'f')
          and has_table_privilege(%s, pg_class.oid, privilege)
        union all
        select relname, privilege
        from pg_class cross join unnest(array['usage', 'select', 'update']) as privilege
        where relnamespace in {OURS} and relkind = 'S' and has_sequence_privilege(%s, pg_class.oid, privilege)
    """  # noqa: S608
    assert query(connection, statement, role, role) == []


@pytest.mark.parametrize("role", OUTSIDE)
def test_nobody_from_outside_may_write_any_column(connection: Connection, role: str) -> None:
    statement = f"""
        select relname, attname, privilege
        from pg_attribute
        join pg_class on pg_class.oid = attrelid
        cross join unnest(array['insert', 'update', 'references']) as privilege
        where relnamespace in {OURS} and relkind in ('r', 'v') and attnum > 0 and not attisdropped
          and has_column_privilege(%s, attrelid, attnum, privilege)
    """  # noqa: S608
    assert query(connection, statement, role) == []


def hidden_columns(connection: Connection, role: str) -> dict[str, set[str]]:
    statement = f"""
        select relname, attname
        from pg_attribute
        join pg_class on pg_class.oid = attrelid
        where relnamespace in {OURS} and relkind in ('r', 'v') and attnum > 0 and not attisdropped
          and not has_column_privilege(%s, attrelid, attnum, 'select')
    """  # noqa: S608
    hidden: dict[str, set[str]] = {}
    for table, column in query(connection, statement, role):
        hidden.setdefault(table, set()).add(column)
    return hidden


def test_users_read_every_column_but_leases_payloads_and_the_diallers_own(connection: Connection) -> None:
    assert hidden_columns(connection, "authenticated") == HIDDEN_FROM_USERS


def test_anybody_reads_no_column_of_any_table(connection: Connection) -> None:
    assert set(hidden_columns(connection, "anon")) == TABLES | VIEWS
    statement = f"""
        select attrelid::regclass, attname from pg_attribute join pg_class on pg_class.oid = attrelid
        where relnamespace in {OURS} and relkind in ('r', 'v')
          and has_column_privilege('anon', attrelid, attnum, 'select')
    """  # noqa: S608
    assert query(connection, statement) == []


def test_users_may_call_the_reading_functions_and_anybody_none(connection: Connection) -> None:
    statement = f"""
        select proname, pronamespace::regnamespace::text from pg_proc
        where pronamespace in {OURS} and has_function_privilege(%s, oid, 'execute')
    """  # noqa: S608
    assert {name for name, _ in query(connection, statement, "authenticated")} == USERS_MAY_CALL
    assert {schema for _, schema in query(connection, statement, "authenticated")} == {"public"}
    assert query(connection, statement, "anon") == []


@pytest.mark.parametrize("role", [*OUTSIDE, "authenticator"])
def test_nobody_from_outside_may_use_or_fill_the_schema_of_the_verbs(connection: Connection, role: str) -> None:
    statement = "select has_schema_privilege(%s, 'batchline', 'usage'), has_schema_privilege(%s, 'batchline', 'create')"
    assert query(connection, statement, role, role) == [(False, False)]
    assert query(connection, "select has_schema_privilege(%s, 'public', 'create')", role) == [(False,)]


def test_the_service_may_call_every_function(connection: Connection) -> None:
    statement = f"""
        select oid::regprocedure from pg_proc
        where pronamespace in {OURS} and not has_function_privilege('service_role', oid, 'execute')
    """  # noqa: S608
    assert query(connection, statement) == []


def attempt(world: World, role: str, statement: str, *arguments: object) -> None:
    with world.connection.transaction():
        become(world.connection, world.agency.owner if role == "authenticated" else None)
        query(world.connection, statement, *arguments)


@pytest.mark.parametrize("role", OUTSIDE)
@pytest.mark.parametrize("table", sorted(TABLES))
@pytest.mark.parametrize(
    "statement",
    ["insert into {} default values", "update {} set {time} = {time}", "delete from {}", "truncate {} cascade"],
    ids=lambda statement: statement.split()[0],
)
def test_writing_is_refused_in_deed(world: World, role: str, table: str, statement: str) -> None:
    time = "at" if table == "call_events" else "created_at"

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        attempt(world, role, statement.format(f"public.{table}", time=time))


@pytest.mark.parametrize("role", OUTSIDE)
def test_calling_a_verb_is_refused_in_deed(world: World, role: str) -> None:
    batch_id = world.processing(1)

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        attempt(world, role, "select batchline.cancel_call_batch(%s, %s)", world.agency.owner, batch_id)

    assert world.batch(batch_id)["status"] == "processing"


def test_every_function_has_an_empty_search_path(connection: Connection) -> None:
    statement = f"""
        select oid::regprocedure, proconfig from pg_proc
        where pronamespace in {OURS} and not 'search_path=""' = any (coalesce(proconfig, '{{}}'))
    """  # noqa: S608
    assert query(connection, statement) == []


def test_no_function_is_security_definer_but_those_that_must_be(connection: Connection) -> None:
    statement = f"select proname from pg_proc where pronamespace in {OURS} and prosecdef"  # noqa: S608
    assert {name for (name,) in query(connection, statement)} == AS_THE_OWNER


def test_no_function_has_a_second_of_its_name(connection: Connection) -> None:
    statement = f"select proname from pg_proc where pronamespace in {OURS} group by proname having count(*) > 1"  # noqa: S608
    assert query(connection, statement) == []


def test_no_function_writes_what_its_volatility_denies(connection: Connection) -> None:
    statement = rf"""
        select oid::regprocedure from pg_proc
        where pronamespace in {OURS} and provolatile <> 'v'
          and prosrc ~* '\m(insert into|update public|delete from|for update|for no key update|batchline\.clock)\M'
    """  # noqa: S608
    assert query(connection, statement) == []


def test_every_table_has_row_level_security_and_one_policy_for_readers(connection: Connection) -> None:
    statement = f"""
        select relname, relrowsecurity, array_agg(polcmd::text || ':' || polroles::regrole[]::text)
        from pg_class left join pg_policy on polrelid = pg_class.oid
        where relnamespace in {OURS} and relkind = 'r'
        group by relname, relrowsecurity
    """  # noqa: S608
    for table, secured, policies in query(connection, statement):
        assert (table, secured, policies) == (table, True, ["r:{authenticated}"])


def test_every_view_reads_as_its_reader(connection: Connection) -> None:
    statement = f"select relname, reloptions from pg_class where relnamespace in {OURS} and relkind = 'v'"  # noqa: S608
    assert {name: set(options) for name, options in query(connection, statement)} == {
        view: {"security_invoker=true"} for view in VIEWS
    }


def test_every_foreign_key_has_an_index(connection: Connection) -> None:
    statement = f"""
        select conrelid::regclass, conname from pg_constraint
        where contype = 'f' and connamespace in {OURS}
          and not exists (
            select from pg_index
            where indrelid = conrelid and indpred is null and (indkey::int2[])[0:cardinality(conkey) - 1] @> conkey
          )
    """  # noqa: S608
    assert query(connection, statement) == []


def test_every_constraint_has_a_name_of_its_own(connection: Connection) -> None:
    statement = f"""
        select conrelid::regclass, conname from pg_constraint
        where contype in ('c', 'u') and connamespace in {OURS} and conname ~ '_(check|key)[0-9]*$'
    """  # noqa: S608
    assert query(connection, statement) == []


def test_every_table_and_view_says_what_it_is(connection: Connection) -> None:
    statement = f"""
        select relname from pg_class
        where relnamespace in {OURS} and relkind in ('r', 'v') and obj_description(oid, 'pg_class') is null
    """  # noqa: S608
    assert query(connection, statement) == []
