"""The SQL layer on real servers: every test runs on PostgreSQL 18 and, where this machine has it, on Debian's 15.

BATCHLINE_POSTGRES or DATABASE_URL in the environment leave only the server that they name.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest

from local.migrate import migrate
from local.postgres import Postgres, Server, binaries
from local.processes import LocalError
from tests.factories import forbid_number
from tests.sql.races import Race
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.factories import Connection


def _versions() -> list[str]:
    if "DATABASE_URL" in os.environ:
        return ["given"]
    if chosen := os.environ.get("BATCHLINE_POSTGRES"):
        return [chosen]
    return [version for version in ("18", "15") if _is_found(version)]


def _is_found(version: str) -> bool:
    try:
        binaries(version)
    except LocalError:
        return False
    return True


@pytest.fixture(scope="session", params=_versions(), ids=lambda version: f"postgres-{version}")
def server(request: pytest.FixtureRequest, folder: Path) -> Iterator[Server]:
    if given := os.environ.get("DATABASE_URL"):
        yield Server(given)
        return
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BATCHLINE_POSTGRES", request.param)
        postgres = Postgres(
            folder / f"postgres-{request.param}", folder / f"postgres-{request.param}.log", durable=False
        )
        postgres.start()
    try:
        postgres.part.wait_ready()
        yield postgres.server
    finally:
        postgres.part.signal_stop()
        postgres.part.join()


@pytest.fixture(scope="session")
def template(server: Server) -> Iterator[str]:
    """The name of a migrated database that nobody writes to."""
    name = f"test_{uuid4().hex}"
    migrate(server.create(name))
    yield name
    server.drop(name)


@pytest.fixture(scope="session")
def new_database(server: Server, template: str) -> Iterator[Callable[[str | None], str]]:
    """Makes a copy of the template, or of another database, and returns its URL; dropped after the last test."""
    names: list[str] = []

    def make(source: str | None = None) -> str:
        names.append(f"test_{uuid4().hex}")
        return server.create(names[-1], source or template)

    yield make
    for name in names:
        server.drop(name)


@pytest.fixture(scope="session")
def _session(new_database: Callable[[], str]) -> Iterator[Connection]:
    # One session for all tests that roll back: compiling the functions anew costs more than most of them.
    with psycopg.connect(new_database()) as connection:
        connection.rollback()
        yield connection
        connection.rollback()


@pytest.fixture
def connection(_session: Connection) -> Iterator[Connection]:
    """A transaction that is rolled back, as the database's owner."""
    _session.rollback()
    yield _session
    _session.rollback()


@pytest.fixture
def every_zone(request: pytest.FixtureRequest) -> bool:
    """Whether the whole world is looked at, which takes minutes, or some places."""
    return bool(request.config.getoption("--every-zone"))


@pytest.fixture
def world(connection: Connection) -> World:
    """An agency whose plan limits nothing that these tests do."""
    return World(connection)


@pytest.fixture(scope="session")
def shared_database(new_database: Callable[[], str]) -> str:
    """The URL of a database for tests that commit: each makes an agency of its own there."""
    return new_database()


@pytest.fixture
def connect(shared_database: str) -> Iterator[Callable[[], Connection]]:
    """Opens connections, each statement its own transaction, to the database for tests that commit."""
    opened: list[Connection] = []

    def open_one() -> Connection:
        opened.append(psycopg.connect(shared_database, autocommit=True))
        return opened[-1]

    yield open_one
    for connection in opened:
        connection.close()


@pytest.fixture
def forbid(world: World) -> Callable[[str], None]:
    """Puts a number on the agency's do-not-call list, past the product."""
    return lambda number: forbid_number(world.connection, world.agency.id, number)


@pytest.fixture
def ours(connect: Callable[[], Connection]) -> World:
    """An agency whose rows are committed."""
    return World(connect())


@pytest.fixture
def theirs(connect: Callable[[], Connection], ours: World) -> World:
    """The same agency in a session of its own."""
    return World(connect(), ours.agency)


@pytest.fixture
def race(connect: Callable[[], Connection]) -> Iterator[Callable[[World, Callable[[], object]], Race[Any]]]:
    """Starts something in the session of a world, in a thread."""
    with ThreadPoolExecutor() as pool:
        yield partial(Race[Any], pool, connect())
