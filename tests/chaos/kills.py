"""SIGKILL at each point, then ordinary runs."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from local.processes import free_ports
from tests.chaos.run import Scenario

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.chaos.run import Run
    from tests.chaos.workers import Worker

ARRIVALS = {
    "claimed": 2,
    "begun": 2,
    "before_post": 10,
    "checked": 10,
    "during_post": 5,
    "answered": 5,
    "before_settle": 2,
    "settled": 2,
}
"""The points of a run of the processor, and how often one comes there at least: twice for each dial, once a turn."""
EVENT_ARRIVALS = 8


def play(run: Run, point: str) -> None:
    run.create()
    with run.worker(point=point, nth=run.dice.randint(1, ARRIVALS[point])) as victim:
        if victim.reached():
            victim.kill()
            run.done["kills"] += 1
    run.finish()


def play_event(run: Run, point: str) -> None:
    """webhook-ingest is killed and started again, while the provider repeats what was not answered."""
    run.hear()
    run.create()
    with (
        ingesting(run, point, run.dice.randint(1, EVENT_ARRIVALS)) as (victim, environment),
        run.worker(environment=environment) as dialler,
    ):
        if victim.reached():
            victim.kill()
            run.done["kills"] += 1
        port = int(environment["FUNCTIONS_URL"].rpartition(":")[2])
        with run.ground.nursery.worker("ingest", port=port, environment=run.side.environment) as successor:
            successor.ready()
            dialler.result()
            run.finish(environment=environment)


@contextmanager
def ingesting(run: Run, point: str, nth: int) -> Generator[tuple[Worker, dict[str, str]]]:
    """A webhook-ingest of the run's own, held at a point, and the settings that lead the run's events to it."""
    (port,) = free_ports(1)
    with run.ground.nursery.worker(
        "ingest", port=port, point=point, nth=nth, environment=run.side.environment
    ) as ingest:
        ingest.ready()
        yield ingest, {"FUNCTIONS_URL": f"http://127.0.0.1:{port}"}


SCENARIOS = [
    *(Scenario(f"kill_{point}", f"SIGKILL at `{point}`", partial(play, point=point)) for point in ARRIVALS),
    *(
        Scenario(f"kill_{point}", f"SIGKILL at `{point}`", partial(play_event, point=point))
        for point in ("event_verified", "event_ingested")
    ),
]
