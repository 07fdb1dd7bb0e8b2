"""What users and schedules do: pause, resume and cancel at any moment, and many processors at once."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from tests.chaos.run import Scenario

if TYPE_CHECKING:
    from tests.chaos.run import Run

BEGUN_SINCE = "select count(*) from public.calls where agency_id = %s and began_at > %s"
NO_LIMITS = "update public.agencies set max_calls_per_minute = 60000 where id = %s returning 1"


PATIENT = {
    "DIAL_CONNECTIONS": "100",
    "DIAL_BY_SECONDS": "2",
    "DIAL_TIMEOUT_SECONDS": "5",
    "CONNECT_TIMEOUT_SECONDS": "2",
    "WRITE_TIMEOUT_SECONDS": "5",
    "LEASE_SECONDS": "20",
    "ASK_AFTER_SECONDS": "8",
    "SILENCE_SECONDS": "20",
}
"""Timers for more work than the machine can do at once; their order stays."""


def change_mind(run: Run) -> None:
    """Pauses after so many calls, drawn, and resumes; the last time it may be a cancellation. Two workers at work."""
    run.create(16)
    accepted = 0
    for _ in range(run.dice.randint(2, 3)):
        accepted += run.dice.randint(1, 5)
        with run.worker() as one, run.worker() as other:
            _wait_for_calls(run, accepted)
            if run.batch.status not in ("pending", "processing"):
                break
            run.pause()
            paused_at = run.now()
            one.result()
            other.result()
        assert run.world.value(BEGUN_SINCE, run.world.agency.id, paused_at) == 0
        run.done["changes of mind"] += 1
        run.resume()
    if run.dice.random() < 0.5:
        _cancel(run, accepted + run.dice.randint(0, 3))
    run.finish()


def _cancel(run: Run, accepted: int) -> None:
    with run.worker() as worker:
        _wait_for_calls(run, accepted)
        if run.batch.status != "completed":
            run.cancel()
            cancelled_at = run.now()
            worker.result()
            assert run.world.value(BEGUN_SINCE, run.world.agency.id, cancelled_at) == 0
            run.done["changes of mind"] += 1


def _wait_for_calls(run: Run, accepted: int) -> None:
    run.wait(lambda: run.world.stats()["accepted"] >= accepted or run.batch.status not in ("pending", "processing"))


def overlap(run: Run, contacts: int, workers: int) -> None:
    """Scheduled runs that last longer than their minute: many processors on one batch, and nobody twice."""
    run.world.value(NO_LIMITS, run.world.agency.id)
    run.hear()
    run.create(contacts, calls_per_minute=60_000, max_concurrent=400)
    with ExitStack() as running:
        several = [running.enter_context(run.worker(environment=PATIENT, seconds=600)) for _ in range(workers)]
        for worker in several:
            worker.result()
    run.finish()


SCENARIOS = [Scenario("changes_of_mind", "pause, resume, cancel at random moments", change_mind)]
OVERLAPPING = {
    800: Scenario(
        "overlapping",
        "4 overlapping processors, 800 contacts",
        partial(overlap, contacts=800, workers=4),
        provider={"people_by_number": {}},
        alone=True,
    ),
    10_000: Scenario(
        "overlapping",
        "8 overlapping processors, 10,000 contacts",
        partial(overlap, contacts=10_000, workers=8),
        provider={"people_by_number": {}},
        alone=True,
    ),
}
"""By the number of contacts."""
