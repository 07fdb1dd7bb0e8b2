"""`make migrate`: what an operator runs against a Supabase project, and what Supabase's own tool left there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from local.migrate import SUPABASE, execute_file
from ops import migrate as ops_migrate
from ops.migrate import MIGRATIONS, MigrationError, migrate, missing
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.postgres import Server

ROOT = Path(__file__).parent.parent.parent
FIRST = "20260101000000_first.sql"
SECOND = "20260102000000_second.sql"
OPERATOR_OWNS = """
alter database {database} owner to {owner};
grant anon, authenticated, service_role, authenticator to {owner};
grant all on schema auth to {owner};
grant all on all tables in schema auth to {owner};
alter default privileges for role {owner} in schema public
  grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role {owner} in schema public
  grant all on functions to postgres, anon, authenticated, service_role;
alter default privileges for role {owner} in schema public
  grant all on sequences to postgres, anon, authenticated, service_role;
"""


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    """An empty database."""
    name = f"test_{uuid4().hex}"
    yield server.create(name)
    server.drop(name)


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    (tmp_path / FIRST).write_text(
        "-- The first; it makes a table.\ncreate table first ();\n\ncreate index on first ((1));\n"
    )
    (tmp_path / SECOND).write_text("create table second ();\n")
    return tmp_path


@pytest.fixture
def project(server: Server, url: str) -> Iterator[str]:
    """A database as a new Supabase project has it, and its URL for the role that owns it, which is no superuser."""
    owner = f"owner_{uuid4().hex[:8]}"
    parts = urlsplit(url)
    names = {"owner": sql.Identifier(owner), "database": sql.Identifier(parts.path[1:])}
    with psycopg.connect(url, autocommit=True) as superuser:
        execute_file(superuser, SUPABASE)
        password = sql.Literal(parts.password or "")
        rights = sql.SQL("login nosuperuser createdb createrole bypassrls password")
        superuser.execute(sql.SQL("create role {} {} {}").format(names["owner"], rights, password))
        superuser.execute(sql.SQL(OPERATOR_OWNS).format(**names))
        login = f"{owner}:{parts.password}" if parts.password else owner
        yield parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}").geturl()
    server.drop(parts.path[1:])
    with psycopg.connect(server.url, autocommit=True) as superuser:
        superuser.execute(sql.SQL("drop role {owner}").format(**names))


def command(url: str | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return subprocess.run(
        [sys.executable, "-m", "ops.migrate", *arguments],
        cwd=ROOT,
        env=environment | ({"DATABASE_URL": url} if url else {}),
        capture_output=True,
        text=True,
        check=False,
    )


def rows(url: str, query: Any) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def test_the_folder_of_supabases_tool_is_the_one_that_make_migrate_reads() -> None:
    link = ROOT / "supabase" / "migrations"

    assert link.is_symlink()
    assert not link.readlink().is_absolute()
    assert link.resolve() == MIGRATIONS


def test_a_projects_owner_who_is_no_superuser_migrates_it_to_something_that_works(url: str, project: str) -> None:
    versions = [one.version for one in migrate(project)]

    assert versions == sorted(file.name[:14] for file in MIGRATIONS.glob("*.sql"))
    [(is_superuser,)] = rows(project, "select rolsuper from pg_roles where rolname = current_user")
    assert not is_superuser
    with psycopg.connect(url) as connection:
        world = World(connection)
        batch_id = world.create(1)
        connection.execute("set local role service_role")
        claimed = world.verb("claim_calls", p_worker="w", p_limit=2, p_lease_seconds=60)
        assert [call["batch_id"] for call in claimed["calls"]] == [str(batch_id)]
        assert world.verb("schema_version") == versions[-1]
    outside = """
        select proname from pg_catalog.pg_proc
        where pronamespace = 'batchline'::regnamespace
          and (has_function_privilege('anon', oid, 'execute')
               or has_function_privilege('authenticated', oid, 'execute'))
    """
    assert rows(project, outside) == []


def test_the_command_says_what_it_would_do_then_does_it_then_has_nothing_to_do(project: str) -> None:
    newest = max(MIGRATIONS.glob("*.sql")).stem.replace("_", " ", 1)

    dry = command(project, "--dry-run")
    assert (dry.returncode, dry.stderr) == (0, "")
    assert f"{newest}: would be applied\n" in dry.stdout
    assert rows(project, "select to_regclass('supabase_migrations.schema_migrations')::text") == [(None,)]

    done = command(project)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{newest}: applied\n" in done.stdout
    assert command(project).stdout == "Nothing is missing.\n"


def test_what_goes_wrong_is_one_sentence_and_status_1() -> None:
    unset, unreachable = command(None), command("postgresql://nobody@127.0.0.1:1/none")

    assert (unset.returncode, unset.stderr) == (
        1,
        "DATABASE_URL is not set: make migrate DATABASE_URL=postgresql://…\n",
    )
    assert unreachable.returncode == 1
    assert unreachable.stderr.startswith("The database cannot be reached")
    assert "Traceback" not in unreachable.stderr


def test_what_supabases_tool_has_applied_is_not_applied_again(url: str, migrations: Path) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(ops_migrate.RECORD)
        connection.execute("create table first ()")
        statements = ["create table first ()", "create index on first ((1))"]
        statement = "insert into supabase_migrations.schema_migrations (version, name, statements) values (%s, %s, %s)"
        connection.execute(statement, ["20260101000000", "first", statements])

    assert [one.name for one in migrate(url, migrations)] == ["second"]


def test_a_version_that_was_only_recorded_as_applied_counts(url: str, migrations: Path) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(ops_migrate.RECORD)
        connection.execute("insert into supabase_migrations.schema_migrations (version) values ('20260101000000')")

    assert [one.name for one in missing(url, migrations)] == ["second"]


def rewrite(migrations: Path) -> None:
    (migrations / FIRST).write_text("create table another ();")


def lose(migrations: Path) -> None:
    (migrations / FIRST).unlink()


def insert(migrations: Path) -> None:
    (migrations / "20260101120000_between.sql").write_text("select 1;")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (rewrite, "Migration 20260101000000_first.sql was changed after it had been applied"),
        (lose, "The database has migration 20260101000000, which the folder lacks"),
        (insert, "Migration 20260101120000_between.sql sorts before 20260102000000, which is applied"),
    ],
)
def test_there_is_no_way_back_and_a_dry_run_says_so_too(
    url: str, migrations: Path, change: Callable[[Path], None], sentence: str
) -> None:
    assert len(list(migrate(url, migrations))) == 2
    change(migrations)

    for attempt in (lambda: list(migrate(url, migrations)), lambda: missing(url, migrations)):
        with pytest.raises(MigrationError, match=re.escape(f"{sentence}; migrations go forward only.")):
            attempt()


def test_a_file_that_fails_leaves_those_before_it_and_nothing_of_itself(url: str, migrations: Path) -> None:
    (migrations / SECOND).write_text("create table second ();\nselect nonsense;\n")

    with pytest.raises(MigrationError, match=r"second\.sql:2: .*nonsense"):
        list(migrate(url, migrations))

    assert [one.name for one in missing(url, migrations)] == ["second"]
    assert rows(url, "select to_regclass('first')::text, to_regclass('second')::text") == [("first", None)]


def test_nobody_waits_long_for_somebody_else_who_migrates(
    url: str, migrations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ops_migrate, "LOCK_TIMEOUT", "50ms")
    with psycopg.connect(url) as other:
        other.execute(ops_migrate.LOCK)
        with pytest.raises(MigrationError, match="Somebody else migrates this database"):
            list(migrate(url, migrations))

    assert len(list(migrate(url, migrations))) == 2


def test_a_migration_does_not_wait_long_for_a_table_that_is_in_use(
    url: str, migrations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ops_migrate, "LOCK_TIMEOUT", "50ms")
    list(migrate(url, migrations))
    (migrations / "20260103000000_third.sql").write_text("alter table first add column id int;")
    with psycopg.connect(url) as other:
        other.execute("lock table first in access share mode")
        with pytest.raises(MigrationError, match=r"third\.sql:1: canceling statement due to lock timeout"):
            list(migrate(url, migrations))
