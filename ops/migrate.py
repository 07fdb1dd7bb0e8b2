"""Brings a database up to date: `make migrate DATABASE_URL=…`, the files that `supabase db push` applies too.

Both keep the same record, so that a project may be migrated by the one today and by the other tomorrow. Forward only:
a database that knows what the files do not is left alone.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString, cast

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Connection = psycopg.Connection[tuple[object, ...]]

MIGRATIONS = Path(__file__).resolve().parent.parent / "sql" / "migrations"
LOCK_TIMEOUT = "4s"  # whoever waits for a lock has everybody behind it wait too
STATEMENT_TIMEOUT = "60s"

RECORD = """
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (
  version text primary key, statements text[], name text
);
"""
# Of the transaction, as the time-outs are: behind a pooler the next transaction may be another session's.
LOCK = "select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('supabase_migrations'))"
NO_MEANING = re.compile(r"--[^\n]*|[\s;]+")  # Supabase's tool records statement by statement, without what is between


class MigrationError(Exception):
    """A migration failed, or there is no way forward; the message is a sentence or two for a person."""


@dataclass(frozen=True)
class Migration:
    """One file, `<version>_<name>.sql`."""

    file: Path

    @property
    def version(self) -> str:
        return self.file.stem.partition("_")[0]

    @property
    def name(self) -> str:
        return self.file.stem.partition("_")[2]

    def text(self) -> str:
        return self.file.read_text()


def migrate(database_url: str, folder: Path = MIGRATIONS) -> Iterator[Migration]:
    """Apply what the database lacks, each file in a transaction of its own; yields each as it is committed.

    Of two that migrate at once each applies what the other has not. Raises MigrationError for a file that fails, which
    leaves nothing behind; where files were changed, lost or added out of order since they were applied; and where a
    lock is not to be had in 4 s.
    """
    with _connected(database_url) as connection:
        while applied := _apply_next(connection, folder):
            yield applied


def missing(database_url: str, folder: Path = MIGRATIONS) -> list[Migration]:
    """What migrate() would apply; writes nothing. Raises MigrationError as it does."""
    with _connected(database_url) as connection:
        return _missing(connection, folder)


def execute_file(connection: Connection, file: Path) -> None:
    """Run a whole file. Raises MigrationError naming file, line and reason."""
    text = file.read_text()
    try:
        connection.execute(cast("LiteralString", text))
    except psycopg.Error as error:
        line = text.count("\n", 0, int(error.diag.statement_position or 1)) + 1
        raise MigrationError(f"{file}:{line}: {error.diag.message_primary or error}") from error


def _connected(database_url: str) -> Connection:
    try:
        return psycopg.connect(database_url, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        raise MigrationError(f"The database cannot be reached: {error}") from error


def _apply_next(connection: Connection, folder: Path) -> Migration | None:
    """The first that is missing, applied and recorded; None when none is."""
    with connection.transaction():
        _guard(connection)
        found = _missing(connection, folder)
        if not found:
            return None
        connection.execute(RECORD)
        execute_file(connection, found[0].file)
        connection.execute(
            "insert into supabase_migrations.schema_migrations (version, name, statements) values (%s, %s, %s)",
            [found[0].version, found[0].name, [found[0].text()]],
        )
        return found[0]


def _guard(connection: Connection) -> None:
    connection.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
    connection.execute(f"set local statement_timeout = '{STATEMENT_TIMEOUT}'")
    try:
        connection.execute(LOCK)
    except psycopg.errors.LockNotAvailable:
        raise MigrationError(f"Somebody else migrates this database; they were not done in {LOCK_TIMEOUT}.") from None


def _missing(connection: Connection, folder: Path) -> list[Migration]:
    migrations = {one.version: one for one in map(Migration, sorted(folder.glob("*.sql")))}
    applied = _applied(connection)
    _refuse_the_way_back(migrations.values(), applied)
    return [one for version, one in sorted(migrations.items()) if version not in applied]


def _applied(connection: Connection) -> dict[str, str | None]:
    """By version what was recorded, or None where only the version was."""
    (found,) = connection.execute("select to_regclass('supabase_migrations.schema_migrations')").fetchall()
    if found[0] is None:
        return {}
    rows = connection.execute("select version, statements from supabase_migrations.schema_migrations").fetchall()
    return {cast("str", version): _joined(cast("list[str] | None", statements)) for version, statements in rows}


def _joined(statements: Sequence[str] | None) -> str | None:
    return "\n".join(statements) if statements else None


def _refuse_the_way_back(migrations: Iterable[Migration], applied: dict[str, str | None]) -> None:
    by_version = {one.version: one for one in migrations}
    newest = max(applied, default="")
    if unknown := sorted(applied.keys() - by_version.keys()):
        raise _no_way_forward(f"The database has migration {unknown[0]}, which the folder lacks")
    for version, text in sorted(applied.items()):
        if text is not None and _meaning(text) != _meaning(by_version[version].text()):
            raise _no_way_forward(f"Migration {by_version[version].file.name} was changed after it had been applied")
    if late := sorted(version for version in by_version.keys() - applied.keys() if version < newest):
        raise _no_way_forward(f"Migration {by_version[late[0]].file.name} sorts before {newest}, which is applied")


def _meaning(text: str) -> str:
    return NO_MEANING.sub("", text)


def _no_way_forward(finding: str) -> MigrationError:
    return MigrationError(f"{finding}; migrations go forward only.")


def main(argv: Sequence[str]) -> int:
    """Apply, or with --dry-run only name, what the database of DATABASE_URL lacks; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ops.migrate", description="Migrate the database of DATABASE_URL.")
    parser.add_argument("--dry-run", action="store_true", help="say what would be applied, and write nothing")
    options = parser.parse_args(argv)
    database_url = os.environ.get("DATABASE_URL")
    if not database_url:
        print("DATABASE_URL is not set: make migrate DATABASE_URL=postgresql://…", file=sys.stderr)
        return 1
    try:
        count = _report(missing(database_url), "would be applied") if options.dry_run else _apply(database_url)
    except MigrationError as error:
        print(error, file=sys.stderr)
        return 1
    print("Nothing is missing." if not count else f"{count} in all.")
    return 0


def _apply(database_url: str) -> int:
    return _report(migrate(database_url), "applied")


def _report(migrations: Iterable[Migration], what: str) -> int:
    count = 0
    for one in migrations:
        print(f"{one.version} {one.name}: {what}", flush=True)
        count += 1
    return count


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
