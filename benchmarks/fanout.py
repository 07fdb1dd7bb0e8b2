"""Fan-out: hundreds of agencies, one queue, eight workers that take turns; one of them is killed in the middle.

Every agency has more to dial than it can be given. A round is one message for each; when the queue is empty after the
last, every agency was served equally often, and what is compared is how much of the workers' time each got of it.

The same is simulated (fleet_model.py), with what the rest of the machine left of its processors, and shown beside it.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.deployment import Deployment
from benchmarks.fleet_model import Agency, Simulation
from benchmarks.ground import ground
from benchmarks.measured import ASIDE_CALL, ASIDE_MESSAGE, BACKGROUND, COSTS
from benchmarks.optimum import Limits
from benchmarks.processors import Clock
from benchmarks.report import table
from shared import database, dispatch
from shared.settings import settings
from tests.dialer.fleet import Fleet
from tests.factories import fictional_numbers

if TYPE_CHECKING:
    from benchmarks.ground import Ground

WORKERS = 8
EVERY_SECONDS = 60
PLAN = Limits(calls_per_minute=600, max_concurrent=1000)
TARGET = 0.8
LONGEST_SECONDS = 1800
# Shorter than in production, so that what the killed worker leaves is settled while we watch.
TIMERS = {
    "DIAL_BY_SECONDS": "5",
    "DIAL_TIMEOUT_SECONDS": "8",
    "LEASE_SECONDS": "25",
    "ASK_AFTER_SECONDS": "15",
    "ASK_AGAIN_SECONDS": "5",
}
UNSETTLED = "select count(*) from public.calls where status in ('claimed', 'dialing', 'unknown')"


@dataclass(frozen=True)
class Seen:
    """What was seen; `rounds` are those that were sent, and the killed worker's messages in its time."""

    agencies: int
    rounds: int
    seconds: float
    shares: list[int]
    unsettled_after_kill: int
    accepted: int
    double_dials: int
    most_calls_per_contact: int
    dead_letters: int
    cores: float  # of the machine's, what others left


@dataclass(frozen=True)
class Simulated:
    """What the simulation says: seconds until all were served, and how many calls of each agency were begun."""

    seconds: float
    shares: list[int]


def run(agencies: int, rounds: int) -> tuple[str, bool]:
    """Measures so many rounds of so many agencies. The report, and whether the targets were met."""
    contacts = _contacts(agencies, rounds)
    with ground(webhooks={"enabled": False}, people={"ring_seconds": [3600, 3600]}) as here:
        for _ in range(agencies):
            agency, _account = here.agency(PLAN)
            here.batch(agency, PLAN, fictional_numbers(contacts))
        with Fleet.running(here.stack.folder / "logs", 30) as fleet:
            queue = {"DISPATCH_QUEUE_URL": fleet.queue_url, "DISPATCH_CONCURRENCY": str(WORKERS)}
            os.environ.update(TIMERS | queue | {"DISPATCH_EVERY_SECONDS": str(EVERY_SECONDS)})
            settings.cache_clear()
            database.close()
            try:
                return _report(_measure(here, fleet, agencies, rounds))
            finally:
                dispatch.close()
                database.close()


def _measure(here: Ground, fleet: Fleet, agencies: int, rounds: int) -> Seen:
    with ExitStack() as workers:
        first, *others = [workers.enter_context(fleet.worker()) for _ in range(WORKERS)]
        clock = Clock(here, [first, *others])
        started, sent = time.monotonic(), 0
        while sent < rounds:
            sent += fleet.dispatch() > 0
            if sent == 2 and first.is_alive:
                _until_busy(fleet)
                clock.forget(first)
                first.kill()
                clock.workers.append(workers.enter_context(fleet.worker()))
            time.sleep(max(0.0, EVERY_SECONDS - (time.monotonic() - started) % EVERY_SECONDS))
        _drain(fleet, started)
        lasted, shares, cores = time.monotonic() - started, _begun(here), clock.cores()
        left = here.rows(UNSETTLED)[0][0]
        while here.rows(UNSETTLED)[0][0]:
            if time.monotonic() - started > LONGEST_SECONDS:
                raise RuntimeError("What the killed worker left was not settled in time.")
            fleet.dispatch()
            _drain(fleet, started)
    stats = here.simulator.stats()
    return Seen(
        agencies, rounds, lasted, shares, left, stats["accepted"], stats["double_dials"],
        stats["most_calls_per_contact"], fleet.dead(), cores,
    )  # fmt: skip


def _contacts(agencies: int, rounds: int) -> int:
    """Of each agency: more than ten a second of its shares."""
    return round(12 * rounds * (EVERY_SECONDS * WORKERS / agencies + 3))


def simulated(agencies: int, rounds: int, cores: float) -> Simulated:
    """The same agencies, rounds and workers on so many processors of one machine."""
    costs = replace(COSTS, aside_message=ASIDE_MESSAGE, aside_call=ASIDE_CALL)
    left = max(0.01, cores - BACKGROUND)
    here = Deployment(costs, WORKERS, left, every=EVERY_SECONDS, shared=True, webhooks=False, network=0, pick_up=0)
    contacts = _contacts(agencies, rounds)
    them = [Agency(PLAN.calls_per_minute, PLAN.max_concurrent, 3600, contacts) for _ in range(agencies)]
    seen = Simulation(here, them).run(LONGEST_SECONDS, rounds=rounds)
    return Simulated(seen.finished, [agency.total for agency in them])


def _until_busy(fleet: Fleet) -> None:
    while fleet.taken() < WORKERS:
        time.sleep(0.05)


def _drain(fleet: Fleet, started: float) -> None:
    while fleet.waiting() + fleet.taken():
        if time.monotonic() - started > LONGEST_SECONDS:
            raise RuntimeError("The queue did not become empty in time; the workers' logs say why.")
        time.sleep(0.5)


def _begun(here: Ground) -> list[int]:
    """How many calls of each agency were begun."""
    statement = """
        select count(call.id) filter (where call.began_at is not null)
        from public.call_batches as batch
        left join public.calls as call on call.agency_id = batch.agency_id
        group by batch.agency_id
    """
    return [row[0] for row in here.rows(statement)]


def _report(seen: Seen) -> tuple[str, bool]:
    middle, slowest = median(seen.shares), min(seen.shares)
    met = slowest >= TARGET * middle > 0 and seen.double_dials == 0 and seen.most_calls_per_contact == 1
    model = simulated(seen.agencies, seen.rounds, seen.cores)
    rows = [
        ("agencies, workers, processors left by others", f"{seen.agencies}, {WORKERS}, {seen.cores:.2f}"),
        ("rounds, seconds until all were served", f"{seen.rounds}, {seen.seconds:.0f}"),
        ("the same, simulated", f"{seen.rounds}, {model.seconds:.0f}"),
        ("calls begun", f"{sum(seen.shares):,}"),
        ("the same, simulated", f"{sum(model.shares):,}"),
        ("begun by an agency: least, median, most", f"{slowest}, {middle:g}, {max(seen.shares)}"),
        ("the same, simulated", f"{min(model.shares)}, {median(model.shares):g}, {max(model.shares)}"),
        ("least / median", f"{slowest / (middle or 1):.2f}"),
        ("unsettled calls after the last round, and in the end", f"{seen.unsettled_after_kill}, 0"),
        ("accepted by the provider", f"{seen.accepted:,}"),
        ("double dials; most calls to one contact", f"{seen.double_dials}; {seen.most_calls_per_contact}"),
        ("dead letters", str(seen.dead_letters)),
    ]
    verdict = f"Least share {slowest / (middle or 1):.2f} of the median, target {TARGET}: {'met' if met else 'missed'}."
    return "\n\n".join(("## Fan-out", table(("", ""), rows), verdict)), met
