"""What scenarios stand on: a stack, workers to be forked, and sides: a database with the way to it and back from it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

from local import keys, postgrest
from local.postgres import as_authenticator
from local.processes import free_ports

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from local.processes import Part
    from local.simulator.client import Simulator
    from local.stack import Stack
    from tests.chaos.workers import Nursery
    from tests.factories import Connection

PEOPLE = {
    "outcomes": {"answered": 1.0},
    "ring_seconds": (0.02, 0.05),
    "talk_seconds": (0.05, 0.2),
    "no_answer_seconds": 0.1,
    "dropped_after_seconds": 0.05,
}
USUAL: Mapping[str, Any] = {
    "people": PEOPLE,
    "people_by_number": {"*3": {"outcomes": {"busy": 1.0}}},  # so that some are called again, by the rules
    "billed_after_seconds": 0.05,
    "webhooks": {
        "enabled": True,
        "lose_rate": 0,
        "duplicate_rate": 0,
        "delay_seconds": (0, 0),
        "retry_first_seconds": 0.1,
        "timeout_seconds": 1,
    },
}
"""The simulator's configuration: quick people, a few of whom are always busy."""


@dataclass(frozen=True)
class Side:
    """A database, and the settings by which workers reach it and are reached (`environment`)."""

    database_url: str
    environment: dict[str, str] = field(default_factory=dict[str, str])

    def connect(self) -> Connection:
        """As a superuser, each statement its own transaction."""
        return psycopg.connect(self.database_url, autocommit=True)


@dataclass(frozen=True)
class Ground:
    """`folder` is for whatever parts keep there."""

    stack: Stack
    simulator: Simulator
    nursery: Nursery
    folder: Path

    @property
    def main(self) -> Side:
        return Side(self.stack.database_url)

    def set_provider(self, changes: Mapping[str, Any]) -> None:
        """A provider that remembers nothing and behaves as usual, but for these changes."""
        webhooks = {**USUAL["webhooks"], **changes.get("webhooks", {})}
        self.simulator.reset()
        self.simulator.configure(accounts=[], **{**USUAL, **changes, "webhooks": webhooks})

    @contextmanager
    def postgrest(self, name: str, database_url: str) -> Generator[Rest]:
        """One more PostgREST before a database, which may be ended and started again."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        port, admin_port = free_ports(2)
        known = keys.load_or_make(self.stack.folder / "keys.json")
        file = postgrest.configure(folder, known, as_authenticator(database_url), port, admin_port)
        rest = Rest(file, folder, f"http://127.0.0.1:{port}", admin_port)
        rest.start()
        try:
            yield rest
        finally:
            rest.stop()

    @contextmanager
    def events_to(self, environment: Mapping[str, str]) -> Generator[str]:
        """The FUNCTIONS_URL of a webhook-ingest of its own, with these settings."""
        with self.nursery.worker("ingest", environment=dict(environment)) as ingest:
            yield f"http://127.0.0.1:{ingest.ready()}"


@dataclass
class Rest:
    """A PostgREST of ours."""

    configuration: Path
    folder: Path
    url: str
    admin_port: int
    part: Part | None = None

    def start(self) -> None:
        """Returns once it is ready."""
        self.part = postgrest.part(self.configuration, self.folder / "postgrest.log", lambda _: None)
        self.part.start()
        postgrest.wait_ready(self.part, self.admin_port)

    def stop(self) -> None:
        if self.part:
            self.part.signal_stop()
            self.part.join()

    def restart(self) -> None:
        """As after a crash."""
        if self.part:
            self.part.kill()
            self.part.join()
        self.start()


@contextmanager
def second_side(ground: Ground, name: str, database_url: str) -> Generator[Side]:
    """A side of its own at a database: PostgREST before it, and webhook-ingest that writes to it."""
    with (
        ground.postgrest(name, database_url) as rest,
        ground.events_to({"SUPABASE_REST_URL": rest.url}) as events,
    ):
        yield Side(database_url, {"SUPABASE_REST_URL": rest.url, "FUNCTIONS_URL": events})
