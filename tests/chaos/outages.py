"""The database and the way to it fail while calls are made: backends killed, server and PostgREST restarted."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast
from uuid import uuid4

import psycopg

from local import migrate
from local.postgres import Postgres
from tests.chaos.ground import Rest, Side
from tests.chaos.run import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from tests.chaos.ground import Ground
    from tests.chaos.run import Run

TERMINATE = """
select count(pg_terminate_backend(pid)) from (
  select pid from pg_stat_activity where usename = 'authenticator' order by md5(pid || %s) limit 2
) as unlucky
"""


@dataclass(frozen=True)
class FrailSide(Side):
    """A side with a database server and a PostgREST of its own, for one run."""

    server: FrailServer | None = None
    rest: Rest | None = None


class FrailServer:
    """A PostgreSQL whose data outlive a crash, as they must for what is promised."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._postgres = self._started()
        server = self._postgres.server
        server.create("batchline")
        self.url = server.database("batchline")
        migrate.migrate(self.url)

    def restart(self, how: signal.Signals) -> None:
        """SIGINT ends it in order, SIGQUIT as a crash does."""
        part = self._postgres.part
        part.signal_stop() if how == signal.SIGINT else os.kill(part.pid, how)
        part.join()
        self._postgres = self._started()

    def stop(self) -> None:
        self._postgres.part.signal_stop()
        self._postgres.part.join()

    def _started(self) -> Postgres:
        postgres = Postgres(self._folder / "postgres", self._folder / "postgres.log", durable=True)
        postgres.start()
        postgres.part.wait_ready()
        return postgres


@contextmanager
def frail(ground: Ground) -> Generator[Side]:
    folder = ground.folder / f"frail-{uuid4().hex[:8]}"
    folder.mkdir()
    server = FrailServer(folder)
    try:
        with (
            ground.postgrest(folder.name, server.url) as rest,
            ground.events_to({"SUPABASE_REST_URL": rest.url}) as events,
        ):
            yield FrailSide(server.url, {"SUPABASE_REST_URL": rest.url, "FUNCTIONS_URL": events}, server, rest)
    finally:
        server.stop()


def play(run: Run, what: Callable[[Run, FrailSide], None], between: tuple[float, float], times: int) -> None:
    """Two workers dial while it goes wrong again and again; then all is well, and ordinary runs finish what is left."""
    side = cast("FrailSide", run.side)
    run.create(24, calls_per_minute=240, max_concurrent=6)
    over = threading.Event()
    with ThreadPoolExecutor(1) as beside:
        # It goes wrong in this thread: a server that is started again must not end with the thread that started it.
        dialling = beside.submit(_keep_dialling, run, over)
        try:
            for _ in range(times):
                time.sleep(run.dice.uniform(*between))  # not a wait for anything: the moments are drawn
                what(run, side)
                run.done["outages"] += 1
        finally:
            over.set()
        dialling.result()
    run.world.db.close()
    run.world.db = side.connect()
    run.is_well()
    run.finish()


def _keep_dialling(run: Run, over: threading.Event) -> None:
    while not over.is_set():
        with run.worker(seconds=4) as one, run.worker(seconds=4) as other:
            one.ended()
            other.ended()


def terminate(run: Run, side: FrailSide) -> None:
    with psycopg.connect(side.database_url, autocommit=True) as connection:
        connection.execute(TERMINATE, [str(run.dice.random())])


def restart_server(run: Run, side: FrailSide) -> None:
    if side.server:
        side.server.restart(run.dice.choice([signal.SIGINT, signal.SIGQUIT]))


def restart_rest(_run: Run, side: FrailSide) -> None:
    if side.rest:
        side.rest.restart()


SCENARIOS = [
    Scenario(
        "backends_killed",
        "PostgreSQL: two backends killed every 50 to 300 ms",
        partial(play, what=terminate, between=(0.05, 0.3), times=30),
        around=frail,
    ),
    Scenario(
        "server_restarted",
        "PostgreSQL restarted, in order or by a crash",
        partial(play, what=restart_server, between=(1.0, 3.0), times=3),
        around=frail,
    ),
    Scenario(
        "postgrest_restarted",
        "PostgREST killed and started again",
        partial(play, what=restart_rest, between=(0.5, 1.5), times=5),
        around=frail,
    ),
]
