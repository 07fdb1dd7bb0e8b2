"""The processor runs against the whole stack; what it did is asked of the simulator's oracle and of the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared import database, dialer
from shared.settings import settings
from tests.dialer.harness import World, configure, doing, parameter_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.simulator.client import Simulator
    from local.stack import Stack
    from tests.factories import Connection

    Settings = Callable[..., None]

# Times that fit together, for tests in which the provider is asked what became of a call.
SHORT = {
    "DIAL_BY_SECONDS": "0.7",
    "DIAL_TIMEOUT_SECONDS": "0.8",
    "CONNECT_TIMEOUT_SECONDS": "0.5",
    "WRITE_TIMEOUT_SECONDS": "2",
    "LEASE_SECONDS": "5.6",
    "ASK_AFTER_SECONDS": "1.6",
    "ASK_AGAIN_SECONDS": "0.6",
    "JOIN_TIMEOUT_SECONDS": "1",
    "SILENCE_SECONDS": "1.2",
}


@pytest.fixture(scope="session", autouse=True)
def _ssm(stack: Stack) -> Iterator[None]:  # noqa: ARG001 - its settings come first
    yield
    parameter_store().close()
    parameter_store.cache_clear()


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test starts as a container does, and looks around more often than a minute's run would."""
    monkeypatch.setattr(dialer, "LONGEST_WAIT_SECONDS", 0.2)
    monkeypatch.setattr(dialer, "RECONCILE_SECONDS", 0.2)
    configure({}, monkeypatch.setenv)
    yield
    settings.cache_clear()
    database.close()


@pytest.fixture
def change_settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Sets variables of the environment, by name."""

    def change(**environment: str) -> None:
        configure(environment, monkeypatch.setenv)

    return change


@pytest.fixture
def _short(change_settings: Settings) -> None:
    """All timers shortened together."""
    change_settings(**SHORT)


@pytest.fixture
def provider(simulator: Simulator) -> Simulator:
    """The simulator with people who answer at once and talk for a moment."""
    simulator.configure(people=doing("answered"), billed_after_seconds=0.05)
    return simulator


@pytest.fixture
def world(db: Connection, provider: Simulator) -> Iterator[World]:
    world = World.make(db, provider)
    yield world
    world.clean()
