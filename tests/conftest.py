"""The real parts that tests run against: one PostgreSQL and one stack per test process, on free ports."""

from __future__ import annotations

import logging
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest

from local import migrate
from local.postgres import Postgres, Server
from local.simulator.client import Simulator
from local.stack import Stack
from tests.leaks import Watch, leaks_in

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    Connection = psycopg.Connection[tuple[object, ...]]

# The server to run the tests on; further stacks that a test starts have servers of their own.
GIVEN_SERVER = os.environ.pop("DATABASE_URL", None)

# A setting left over in somebody's shell must not decide whether a test passes.
STRAY = ("AWS_", "SUPABASE_", "ULTRAVOX_", "DEMO_", "FUNCTIONS_", "STORAGE_", "PG")
for name in [name for name in os.environ if name.startswith(STRAY) or name.endswith("_SECONDS")]:
    del os.environ[name]
for name in ("STAGE", "JWT_VERIFICATION", "CORS_ALLOWED_ORIGINS", "LOG_LEVEL", "DIAL_CONNECTIONS"):
    os.environ.pop(name, None)
for name in ("SYNC_PAGE_SIZE", "IMPORT_CHUNK_ROWS", "NOTICES_ALLOW_HTTP", "NOTICES_ALLOW_PRIVATE"):
    os.environ.pop(name, None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-zone", action="store_true", help="try calling hours in every time zone there is")


@pytest.fixture(scope="session")
def watch() -> Iterator[Watch]:
    """Reads along with all that this process logs, at DEBUG."""
    watch, root = Watch(), logging.getLogger()
    level = root.level
    root.addHandler(watch)
    root.setLevel(logging.DEBUG)
    yield watch
    root.removeHandler(watch)
    root.setLevel(level)


@pytest.fixture(autouse=True)
def _logs_show_nobody(watch: Watch) -> Iterator[None]:
    watch.found.clear()
    yield
    assert watch.found == []


@contextmanager
def database(server: Server, template: str = "template1") -> Generator[str]:
    """The name of a new database, dropped at the end."""
    name = f"test_{uuid4().hex}"
    server.create(name, template)
    try:
        yield name
    finally:
        server.drop(name)


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder for what the parts of this test process keep."""
    with tempfile.TemporaryDirectory(prefix="batchline-") as path:
        yield Path(path)


@pytest.fixture(scope="session")
def server(folder: Path) -> Iterator[Server]:
    """A database server of this test process, or the one that DATABASE_URL names."""
    if GIVEN_SERVER:
        yield Server(GIVEN_SERVER)
        return
    postgres = Postgres(folder / "postgres", folder / "postgres.log", durable=False)
    postgres.start()
    try:
        postgres.part.wait_ready()
        yield postgres.server
    finally:
        postgres.part.signal_stop()
        postgres.part.join()


@pytest.fixture(scope="session")
def template(server: Server) -> Iterator[str]:
    """The name of a database with every migration applied and nothing in it, to be copied."""
    with database(server) as name:
        migrate.migrate(server.database(name))
        yield name


@pytest.fixture
def fresh_database(server: Server, template: str) -> Iterator[str]:
    """The URL of a database of the test's own, as the migrations leave it."""
    with database(server, template) as name:
        yield server.database(name)


@pytest.fixture(scope="session")
def stack(server: Server, folder: Path, watch: Watch) -> Iterator[Stack]:
    """A stack without a schedule. Its settings are in the environment, for handlers called in this process."""
    with (
        database(server) as name,
        Stack(folder / "stack", server=server, database=name) as stack,
        pytest.MonkeyPatch.context() as environment,
    ):
        for setting, value in stack.env.items():
            if setting != "DATABASE_URL":  # it would make further stacks use this server
                environment.setenv(setting, value)
        watch.secrets |= secrets_of(stack)
        yield stack
    assert leaks_in(folder / "stack", secrets_of(stack)) == []


def secrets_of(stack: Stack) -> set[str]:
    """What the stack's settings hold that nobody may read in a log."""
    return {
        value
        for name, value in stack.env.items()
        if name.endswith(("_SECRET", "_ROLE_KEY", "_PASSWORD")) and len(value) >= 12
    }


@pytest.fixture(scope="session")
def database_url(stack: Stack) -> str:
    """The stack's database, as a superuser."""
    return stack.database_url


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    """A connection to the stack's database as a superuser, each statement its own transaction."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def simulator(stack: Stack) -> Iterator[Simulator]:
    """The stack's provider, with nothing in its memory; what the test configures is undone."""
    with Simulator(stack.simulator_url) as simulator:
        simulator.reset()
        usual = simulator.config()
        yield simulator
        simulator.configure(**usual)
