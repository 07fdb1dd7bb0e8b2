"""The processor of lists runs against the whole stack, with object storage and PostgREST as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared import crash_points, database, dialer, storage
from shared.settings import settings
from tests.dialer.harness import World, configure, doing, parameter_store
from tests.lists.harness import CHUNK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.simulator.client import Simulator
    from local.stack import Stack
    from tests.factories import Connection

    At = Callable[[str, Callable[[], object]], None]
    Settings = Callable[..., None]


@pytest.fixture(scope="session", autouse=True)
def _ssm(stack: Stack) -> Iterator[None]:  # noqa: ARG001 - its settings come first
    yield
    parameter_store().close()
    parameter_store.cache_clear()
    storage.close()


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, db: Connection) -> Iterator[None]:
    """Each test starts as a container does, with small chunks and nobody else's lists."""
    db.execute("delete from public.contact_imports")
    monkeypatch.setattr(dialer, "LONGEST_WAIT_SECONDS", 0.2)
    monkeypatch.setattr(dialer, "RECONCILE_SECONDS", 0.2)
    configure({"IMPORT_CHUNK_ROWS": f"{CHUNK}"}, monkeypatch.setenv)
    yield
    settings.cache_clear()
    database.close()


@pytest.fixture
def change_settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Sets variables of the environment, by name."""

    def change(**environment: str) -> None:
        configure({"IMPORT_CHUNK_ROWS": f"{CHUNK}", **environment}, monkeypatch.setenv)

    return change


@pytest.fixture
def world(db: Connection, simulator: Simulator) -> Iterator[World]:
    """An agency whose people answer at once and talk for a moment."""
    simulator.configure(people=doing("answered"), billed_after_seconds=0.05)
    world = World.make(db, simulator)
    yield world
    world.clean()


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> At:
    """Does something the first time that the processor, in this process, comes to a point."""

    def do(point: str, act: Callable[[], object]) -> None:
        acts = [act]

        def hook(reached: str) -> None:
            if reached == point and acts:
                acts.pop()()

        monkeypatch.setattr(crash_points, "hook", hook)

    return do
