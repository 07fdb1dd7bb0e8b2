"""The processor of notices runs against the whole stack; what it did is what a receiver over sockets has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared import database
from shared.settings import settings
from tests.dialer.harness import configure
from tests.notices.harness import Receiver, Told
from tests.servers import serving
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.stack import Stack
    from tests.factories import Connection
    from tests.servers import Served


@pytest.fixture(autouse=True)
def _fresh(stack: Stack, monkeypatch: pytest.MonkeyPatch, db: Connection) -> Iterator[None]:  # noqa: ARG001
    """Each test starts as a container does, and nobody else is to be told anything."""
    db.execute("delete from public.notices")
    configure({}, monkeypatch.setenv)
    yield
    db.execute("delete from public.notices")
    db.execute("delete from public.notice_endpoints")
    settings.cache_clear()
    database.close()


@pytest.fixture
def change_settings(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets variables of the environment, by name."""

    def change(**environment: str) -> None:
        configure(environment, monkeypatch.setenv)

    return change


@pytest.fixture
def world(db: Connection) -> World:
    """An agency of the test's own, whose plan limits nothing, and the verbs of the database."""
    return World(db)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def served(receiver: Receiver) -> Iterator[Served]:
    """The receiver on a port of 127.0.0.1."""
    with serving(receiver.answer) as served:
        yield served


@pytest.fixture
def told(world: World, receiver: Receiver, served: Served) -> Told:
    """The agency is told everything at the receiver, which knows the secret."""
    told = Told(world)
    told.set_endpoint(f"{served.url}/hooks")
    receiver.secrets.append(told.secret)
    return told
