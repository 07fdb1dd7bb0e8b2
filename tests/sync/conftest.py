"""The processor of imports runs against the whole stack; what it did is compared with what the provider lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared import crash_points, database
from shared.settings import settings
from tests.dialer.harness import configure, doing, parameter_store
from tests.sync.harness import PAGE, Past

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.simulator.client import Simulator
    from local.stack import Stack
    from tests.factories import Connection

    Settings = Callable[..., None]
    At = Callable[[str, Callable[[], object]], None]


@pytest.fixture(scope="session", autouse=True)
def _ssm(stack: Stack) -> Iterator[None]:  # noqa: ARG001 - its settings come first
    yield
    parameter_store().close()
    parameter_store.cache_clear()


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, db: Connection) -> Iterator[None]:
    """Each test starts as a container does, with small pages and nobody else's imports."""
    db.execute("delete from public.historical_sync_jobs")
    configure({"SYNC_PAGE_SIZE": f"{PAGE}"}, monkeypatch.setenv)
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
def provider(simulator: Simulator) -> Simulator:
    """The simulator with people who answer at once and talk for a moment."""
    simulator.configure(people=doing("answered"), billed_after_seconds=0.05)
    return simulator


@pytest.fixture
def make_past(db: Connection, provider: Simulator) -> Iterator[Callable[..., Past]]:
    """Makes agencies with a past."""
    made: list[Past] = []

    def make(count: int, **past: object) -> Past:
        made.append(Past.make(db, provider, count, **past))
        return made[-1]

    yield make
    db.execute("delete from public.historical_sync_jobs")
    for past in made:
        past.has(0)
        past.world.clean()


@pytest.fixture
def past(make_past: Callable[..., Past]) -> Past:
    """An agency with three and a half pages of calls."""
    return make_past(35)


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


@pytest.fixture
def stack_rest_url(stack: Stack) -> str:
    """Where the stack's PostgREST answers."""
    return stack.env["SUPABASE_REST_URL"]
