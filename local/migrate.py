"""Builds the database: what Supabase brings, then sql/migrations/ in order, forward only, then the demo agencies.

The loop keeps its record where Supabase's own tool keeps it, so that both mean the same by "applied".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString, cast

import psycopg

from local.processes import ROOT, LocalError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SUPABASE = ROOT / "local" / "supabase.sql"
SCHEMA = ROOT / "sql" / "schema"
MIGRATIONS = ROOT / "sql" / "migrations"

RECORD = """
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (
  version text primary key, statements text[], name text
);
"""
LOCK = "select pg_catalog.pg_advisory_lock(hashtext('supabase_migrations'))"


def migrate(database_url: str, migrations: Path = MIGRATIONS) -> list[str]:
    """Applies the migrations that the database lacks, each in its own transaction, and returns their versions.

    Raises LocalError for a migration that fails, and where going forward is not possible: one that was changed
    after it was applied, one that the folder lacks, one that sorts before the newest applied.
    """
    files = sorted(migrations.glob("*.sql"))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(LOCK)
        execute_file(connection, SUPABASE)
        connection.execute(RECORD)
        applied = _applied(connection)
        missing = _missing(files, applied)
        for file in missing:
            _apply(connection, file)
        return [_version(file) for file in missing]


def build_from_schema(database_url: str, schema: Path = SCHEMA) -> None:
    """Builds an empty database from the files that say what is true now, instead of from the migrations."""
    with psycopg.connect(database_url, autocommit=True) as connection, connection.transaction():
        for file in (SUPABASE, *sorted(schema.glob("*.sql"))):
            execute_file(connection, file)


def execute_file(connection: psycopg.Connection, file: Path) -> None:
    """Runs a whole file; raises LocalError naming file, line and reason."""
    text = file.read_text()
    try:
        connection.execute(cast("LiteralString", text))
    except psycopg.Error as error:
        position = int(error.diag.statement_position or 1)
        line = text.count("\n", 0, position) + 1
        raise LocalError(f"{file}:{line}: {error.diag.message_primary or error}") from error


def _applied(connection: psycopg.Connection) -> dict[str, str]:
    rows = connection.execute("select version, statements[1] from supabase_migrations.schema_migrations")
    return dict(rows.fetchall())


def _missing(files: Iterable[Path], applied: dict[str, str]) -> list[Path]:
    by_version = {_version(file): file for file in files}
    newest = max(applied, default="")
    if unknown := sorted(applied.keys() - by_version.keys()):
        raise _no_way_forward(f"The database has migration {unknown[0]}, which the folder lacks")
    if changed := sorted(v for v, text in applied.items() if by_version[v].read_text() != text):
        raise _no_way_forward(f"Migration {by_version[changed[0]].name} was changed after it had been applied")
    missing = [file for version, file in sorted(by_version.items()) if version not in applied]
    if late := [file for file in missing if _version(file) < newest]:
        raise _no_way_forward(f"Migration {late[0].name} sorts before {newest}, which is applied")
    return missing


def _no_way_forward(finding: str) -> LocalError:
    return LocalError(f"{finding}; migrations go forward only (`python -m local reset` makes a new database).")


def _apply(connection: psycopg.Connection, file: Path) -> None:
    with connection.transaction():
        # The row comes first: of two that migrate at once, the second fails here and not half-way.
        connection.execute(
            "insert into supabase_migrations.schema_migrations (version, name, statements) values (%s, %s, %s)",
            [_version(file), file.stem.partition("_")[2], [file.read_text()]],
        )
        execute_file(connection, file)


def _version(file: Path) -> str:
    return file.stem.partition("_")[0]
