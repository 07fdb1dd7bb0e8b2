"""Handlers run in this process against the stack: its settings are in the environment."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

import pytest
from aws_lambda_powertools.utilities import parameters

from local import keys
from shared import database, limits, storage, tokens
from shared.settings import settings
from shared.telemetry import SERVICE, logger
from tests.calling import claims
from tests.factories import make_api_key
from tests.servers import passing_on
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from local.stack import Stack
    from tests.factories import Agency, ApiKey, Connection
    from tests.leaks import Watch
    from tests.servers import Asked

    Sign = Callable[..., str]
    StoreSecret = Callable[[UUID, str, str], None]


@pytest.fixture(scope="module", autouse=True)
def _container(stack: Stack) -> Iterator[None]:  # noqa: ARG001 - its settings must be there first
    """What a Lambda container keeps between requests, from none to none."""
    forget()
    yield
    forget()


def forget() -> None:
    """Start as a new container would, with the environment as it is now."""
    database.close()
    settings.cache_clear()
    tokens.close()
    limits.close()
    storage.close()


@pytest.fixture(scope="session")
def sign(stack: Stack) -> Sign:
    """Makes a token for a user id, with changed claims where they are given."""
    known = keys.load_or_make(stack.folder / "keys.json")

    def sign(user_id: UUID, **changes: object) -> str:
        return known.sign(claims(user_id, f"{stack.url}/auth/v1", **changes))

    return sign


@pytest.fixture
def world(db: Connection) -> World:
    """An agency of the test's own, whose plan limits nothing, and the verbs of the database."""
    return World(db)


@pytest.fixture
def agency(world: World) -> Agency:
    return world.agency


@pytest.fixture
def owner(agency: Agency, sign: Sign) -> str:
    """The token of the agency's owner."""
    return sign(agency.owner)


@pytest.fixture
def member(agency: Agency, sign: Sign) -> str:
    """The token of a user who may read and not write."""
    return sign(agency.member)


@pytest.fixture
def key(world: World) -> ApiKey:
    """An API key of the agency."""
    return make_api_key(world.connection, world.agency)


@pytest.fixture
def counted(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Asked]]:
    """Every request that reaches PostgREST."""
    with passing_on(stack.env["SUPABASE_REST_URL"]) as served:
        monkeypatch.setenv("SUPABASE_REST_URL", served.url)
        forget()
        yield served.asked
        monkeypatch.undo()
        forget()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the functions write to their log, as CloudWatch would have it."""
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(logger.registered_formatter)
    logging.getLogger(SERVICE).addHandler(handler)
    yield handler.stream
    logging.getLogger(SERVICE).removeHandler(handler)


@pytest.fixture
def store_secret(stack: Stack, watch: Watch) -> Iterator[StoreSecret]:
    """Puts a secret of an agency into the parameter store, as an operator would; no log may show it from then on."""

    def store(agency_id: UUID, name: str, secret: str) -> None:
        path = f"/batchline/{stack.env['STAGE']}/agencies/{agency_id}/{name}"
        parameters.set_parameter(path, secret, parameter_type="SecureString")  # pyright: ignore[reportUnknownMemberType]
        parameters.clear_caches()
        if len(secret) >= 12:  # a shorter one may be a word
            watch.secrets.add(secret)

    yield store
    parameters.clear_caches()


@pytest.fixture
def database_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """From its call on the database cannot be reached."""

    def go() -> None:
        monkeypatch.setenv("SUPABASE_REST_URL", "http://127.0.0.1:9")  # discard: nothing listens
        forget()

    yield go
    monkeypatch.undo()
    forget()
