"""sql/schema/ says what is true now, sql/migrations/ how it came to be; both build the same database."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import psycopg
import pytest

from local.migrate import MIGRATIONS, SCHEMA, build_from_schema, migrate
from local.postgres import Server, binaries
from local.processes import LocalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MIGRATION_NAME = re.compile(r"\d{14}_[a-z0-9]+(_[a-z0-9]+)*\.sql")
CREATED = re.compile(r"^create (?:or replace )?(?:unique )?(function|table|view|schema) (?:\w+\.)?(\w+)", re.MULTILINE)


@pytest.fixture
def empty_database(server: Server) -> Iterator[Callable[[], str]]:
    names: list[str] = []

    def make() -> str:
        names.append(f"test_{uuid4().hex}")
        return server.create(names[-1])

    yield make
    for name in names:
        server.drop(name)


def dump(database_url: str) -> list[str]:
    """The whole schema as pg_dump of the server's own version writes it, without what is the record of migrations."""
    with psycopg.connect(database_url) as connection:
        version = str(connection.info.server_version // 10000)
    parts = urlsplit(database_url)
    command = [
        binaries(version) / "pg_dump", "--schema-only", "--exclude-schema=supabase_migrations",
        f"--host={parse_qs(parts.query)['host'][0]}", f"--username={parts.username}", f"--dbname={parts.path[1:]}",
        *([f"--port={parts.port}"] if parts.port else []),
    ]  # fmt: skip
    written = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # Newer versions guard a dump with a random word.
    return [line for line in written.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]


def test_migrations_and_schema_build_the_same_database(empty_database: Callable[[], str]) -> None:
    migrated, built = empty_database(), empty_database()
    migrate(migrated)
    build_from_schema(built)

    assert dump(migrated) == dump(built)
    assert len(dump(built)) > 1000


def test_migrations_are_named_as_supabases_tool_wants_them() -> None:
    names = [file.name for file in MIGRATIONS.iterdir()]

    assert names
    assert [name for name in names if not MIGRATION_NAME.fullmatch(name)] == []
    assert len({name[:14] for name in names}) == len(names)


def test_each_schema_file_makes_what_its_name_says() -> None:
    for file in sorted(SCHEMA.iterdir()):
        assert re.fullmatch(r"\d{3}_\w+\.sql", file.name), file.name
        made = [name for _, name in CREATED.findall(file.read_text())]
        assert len(made) <= 1, f"{file.name} makes {made}"
        assert made in ([], [file.stem[4:]]) or file.name.startswith("000_"), f"{file.name} makes {made}"


def test_migrating_again_applies_nothing(empty_database: Callable[[], str]) -> None:
    database_url = empty_database()

    assert migrate(database_url) == sorted(file.name[:14] for file in MIGRATIONS.iterdir())
    assert migrate(database_url) == []


@pytest.fixture
def folder_of_two(tmp_path: Path) -> Path:
    (tmp_path / "20260101000000_first.sql").write_text("create table public.first ();")
    (tmp_path / "20260103000000_third.sql").write_text("create table public.third ();")
    return tmp_path


def test_only_what_is_missing_is_applied_in_order(empty_database: Callable[[], str], folder_of_two: Path) -> None:
    database_url = empty_database()
    migrate(database_url, folder_of_two)
    (folder_of_two / "20260105000000_fifth.sql").write_text("drop table public.third;")
    (folder_of_two / "20260104000000_fourth.sql").write_text("alter table public.third add column id int;")

    assert migrate(database_url, folder_of_two) == ["20260104000000", "20260105000000"]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("20260101000000_first.sql", "create table public.other ();", "was changed after it had been applied"),
        ("20260101000000_first.sql", None, "which the folder lacks"),
        ("20260102000000_second.sql", "create table public.second ();", "sorts before 20260103000000"),
    ],
    ids=["changed", "missing", "late"],
)
def test_there_is_no_way_but_forward(
    empty_database: Callable[[], str], folder_of_two: Path, name: str, text: str | None, sentence: str
) -> None:
    database_url = empty_database()
    migrate(database_url, folder_of_two)
    if text is None:
        (folder_of_two / name).unlink()
    else:
        (folder_of_two / name).write_text(text)

    with pytest.raises(LocalError, match=sentence):
        migrate(database_url, folder_of_two)


def test_a_migration_that_fails_leaves_nothing_and_says_where(
    empty_database: Callable[[], str], folder_of_two: Path
) -> None:
    database_url = empty_database()
    (folder_of_two / "20260104000000_bad.sql").write_text("create table public.fourth ();\nselect nonsense;\n")

    with pytest.raises(LocalError, match=r"20260104000000_bad\.sql:2: .*nonsense"):
        migrate(database_url, folder_of_two)

    (folder_of_two / "20260104000000_bad.sql").write_text("create table public.fourth ();")
    assert migrate(database_url, folder_of_two) == ["20260104000000"]
