"""Builds the database: what Supabase brings, then sql/migrations/ as ops.migrate applies them to a deployed one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from local.processes import ROOT, LocalError
from ops import migrate as deployed
from ops.migrate import MIGRATIONS, MigrationError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

SUPABASE = ROOT / "local" / "supabase.sql"
SCHEMA = ROOT / "sql" / "schema"


def migrate(database_url: str, migrations: Path = MIGRATIONS) -> list[str]:
    """Applies the migrations that the database lacks, each in its own transaction, and returns their versions.

    Raises LocalError for a migration that fails, and where going forward is not possible: one that was changed
    after it was applied, one that the folder lacks, one that sorts before the newest applied.
    """
    with psycopg.connect(database_url, autocommit=True) as connection, connection.transaction():
        connection.execute(deployed.LOCK)
        execute_file(connection, SUPABASE)
    with _told_apart():
        return [one.version for one in deployed.migrate(database_url, migrations)]


def build_from_schema(database_url: str, schema: Path = SCHEMA) -> None:
    """Builds an empty database from the files that say what is true now, instead of from the migrations."""
    with psycopg.connect(database_url, autocommit=True) as connection, connection.transaction():
        for file in (SUPABASE, *sorted(schema.glob("*.sql"))):
            execute_file(connection, file)


def execute_file(connection: psycopg.Connection, file: Path) -> None:
    """Runs a whole file; raises LocalError naming file, line and reason."""
    with _told_apart():
        deployed.execute_file(connection, file)


@contextmanager
def _told_apart() -> Generator[None]:
    try:
        yield
    except MigrationError as error:
        hint = " (`python -m local reset` makes a new database.)" if "forward only" in str(error) else ""
        raise LocalError(f"{error}{hint}") from error
