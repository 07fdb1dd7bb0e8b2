"""SIGSTOP at each point while another worker goes on, and SIGCONT: a worker that wakes late does not dial."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from tests.chaos import timers
from tests.chaos.kills import ARRIVALS, EVENT_ARRIVALS, ingesting
from tests.chaos.run import Scenario

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.chaos.run import Run

BRIEF = 0.1  # of DIAL_BY, as 1 s is of the real one: whoever wakes then may still dial

# The sleeper's calls that are still in one of these states.
ITS_CALLS = """
select count(*) from public.calls
where agency_id = %s and claimed_at <= %s and status = any (%s)
"""
NAPS: Sequence[tuple[float, Sequence[str]]] = (
    (BRIEF, ()),
    (timers.LEASE, ("claimed", "dialing")),  # "90 s": its lease is over, the provider is about to be asked
    (timers.LEASE + timers.ASK_AFTER + timers.ASK_AGAIN, ("claimed", "dialing", "unknown")),  # it was asked twice
)


def nap(run: Run) -> None:
    """Lets the sleeper sleep for one of three times, in turn, and until the others have come so far."""
    seconds, states = NAPS[run.seed % len(NAPS)]
    asleep_since = run.now()
    run.wait(lambda: run.now() >= asleep_since + timedelta(seconds=seconds))
    run.wait(lambda: not run.world.value(ITS_CALLS, run.world.agency.id, asleep_since, list(states)))
    if states:
        run.slept = asleep_since, run.now()


def play(run: Run, point: str) -> None:
    run.create()
    with run.worker(point=point, nth=run.dice.randint(1, ARRIVALS[point])) as sleeper:
        if sleeper.reached():
            sleeper.freeze()
            sleeper.go_on()
            with run.worker() as other:
                nap(run)
                sleeper.thaw()
                run.done["freezes"] += 1
                other.result()
        sleeper.result()
    run.finish()


def play_event(run: Run, point: str) -> None:
    run.hear()
    run.create()
    with ingesting(run, point, run.dice.randint(1, EVENT_ARRIVALS)) as (sleeper, environment):
        with run.worker(environment=environment) as dialler:
            if sleeper.reached():
                sleeper.freeze()
                sleeper.go_on()
                nap(run)
                sleeper.thaw()
                run.done["freezes"] += 1
            dialler.result()
        run.finish(environment=environment)


SCENARIOS = [
    *(
        Scenario(
            f"freeze_{point}",
            f"SIGSTOP at `{point}`, SIGCONT later",
            partial(play, point=point),
            may_double=point == "checked",
        )
        for point in ARRIVALS
    ),
    *(
        Scenario(f"freeze_{point}", f"SIGSTOP at `{point}`, SIGCONT later", partial(play_event, point=point))
        for point in ("event_verified", "event_ingested")
    ),
]
