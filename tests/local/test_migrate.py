"""Migrations: in order, once, forward only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from local.migrate import MIGRATIONS, build_from_schema, migrate
from local.processes import LocalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from local.postgres import Server


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    """An empty database."""
    yield server.create("to_be_migrated")
    server.drop("to_be_migrated")


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    write(tmp_path, "1_first.sql", "create table first (); insert into first default values;")
    write(tmp_path, "2_second.sql", "create table second as select * from first;")
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)


def answer(url: str, query: Any) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def test_migrations_run_in_order_and_are_recorded_where_supabase_records_them(url: str, migrations: Path) -> None:
    assert migrate(url, migrations) == ["1", "2"]

    recorded = answer(url, "select version, name, statements from supabase_migrations.schema_migrations order by 1")
    assert [(version, name) for version, name, _ in recorded] == [("1", "first"), ("2", "second")]
    assert recorded[1][2] == ["create table second as select * from first;"]


def test_a_second_run_does_only_what_is_new(url: str, migrations: Path) -> None:
    migrate(url, migrations)
    write(migrations, "3_third.sql", "insert into first default values;")

    assert migrate(url, migrations) == ["3"]
    assert migrate(url, migrations) == []
    assert answer(url, "select count(*) from first") == [(2,)]


def test_a_migration_that_fails_leaves_nothing_and_says_where(url: str, migrations: Path) -> None:
    write(migrations, "3_broken.sql", "create table third ();\ncreate table third ();")

    with pytest.raises(LocalError, match=r'3_broken\.sql.*relation "third" already exists'):
        migrate(url, migrations)

    assert answer(url, "select to_regclass('third'), max(version) from supabase_migrations.schema_migrations") == [
        (None, "2")
    ]


def test_a_syntax_error_is_located(url: str, migrations: Path) -> None:
    write(migrations, "3_broken.sql", "select 1;\n\nselekt 2;")

    with pytest.raises(LocalError, match=r"3_broken\.sql:3: syntax error"):
        migrate(url, migrations)


def rewrite(folder: Path) -> None:
    write(folder, "1_first.sql", "select 1;")


def lose(folder: Path) -> None:
    (folder / "1_first.sql").unlink()


def insert(folder: Path) -> None:
    write(folder, "1.5_late.sql", "select 1;")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (rewrite, r"1_first\.sql was changed after"),
        (lose, "has migration 1, which the folder lacks"),
        (insert, r"1\.5_late\.sql sorts before 2"),
    ],
)
def test_there_is_no_way_back(url: str, migrations: Path, change: Callable[[Path], None], sentence: str) -> None:
    migrate(url, migrations)
    change(migrations)

    with pytest.raises(LocalError, match=sentence + r".*forward only"):
        migrate(url, migrations)


def test_both_ways_to_build_the_database_work(server: Server, url: str) -> None:
    other = server.create("built_from_schema")
    try:
        build_from_schema(other)
        assert migrate(url) == [file.stem.partition("_")[0] for file in sorted(MIGRATIONS.glob("*.sql"))]
        count = "select count(*) from information_schema.tables where table_schema = 'public'"
        assert answer(url, count) == answer(other, count) != [(0,)]
    finally:
        server.drop("built_from_schema")
