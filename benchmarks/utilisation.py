"""How much of what the limits allow is used, on the real clock: calls begun, or places held, ÷ the most possible.

The dialler runs as it does in production, its runs started by the schedule of serverless.yml and handing over to each
other. Each agency's window is some whole minutes from its own first call, so the start counts and no moment is chosen;
contacts are left over at its end. All shapes run at the same time, on one worker, beside the simple loop on accounts of
its own. What was possible is simulated from the same seed; what happened is asked of the database and of the oracle.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks import naive, scores, trials
from benchmarks.ground import ground
from benchmarks.optimum import MINUTE, simulate
from benchmarks.scores import Score
from benchmarks.shapes import PEOPLE, SEED, TENANTS, hold
from local import schedule
from local.processes import Part
from tests.factories import fictional_numbers

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from benchmarks.ground import Ground
    from benchmarks.trials import Trial

NUMBERS = 44_000  # reserved for fiction
STARTING_SECONDS = 30


def run(minutes: int) -> tuple[str, bool]:
    """Measures for so many minutes. The report, and whether every target was met."""
    with ground(seed=SEED, people=PEOPLE.model_dump(mode="json")) as here, ThreadPoolExecutor() as threads:
        numbers = iter(fictional_numbers(NUMBERS))
        ours = [trials.for_dialler(here, tenant, numbers, minutes) for tenant in TENANTS]
        theirs = [trials.for_loop(here, tenant, numbers, minutes) for tenant in TENANTS]
        with _scheduled(here):
            loops = [threads.submit(naive.run, here.simulator.base_url, trial, minutes) for trial in theirs]
            _wait(here, ours, minutes)
            for loop in loops:
                loop.result()
        return scores.report([_score(here, *both, minutes * MINUTE) for both in zip(ours, theirs, strict=True)])


@contextmanager
def _scheduled(here: Ground) -> Generator[None]:
    """The schedule of serverless.yml, its first runs at once; ended as a machine is, whatever runs."""
    log = here.stack.folder / "logs" / "benchmark-schedule.log"
    command = (sys.executable, "-m", "local.schedule", "as-written")
    part = Part("schedule", command, log, schedule.READY_LINE, dict(os.environ))
    part.start()
    try:
        part.wait_ready()
        yield
    finally:
        part.signal_stop()
        part.join()


def _wait(here: Ground, ours: Sequence[Trial], minutes: int) -> None:
    """Returns when every agency's window is over."""
    statement = """
        select count(*), extract(epoch from clock_timestamp() - max(first))::float8
        from (
          select min(began_at) as first from public.calls
          where batch_id = any (%s::uuid[]) and began_at is not null
          group by agency_id
        ) as agency
    """
    batch_ids = [batch.id for trial in ours for batch in trial.batches]
    deadline = time.monotonic() + STARTING_SECONDS + 60 * minutes
    while time.monotonic() < deadline:
        agencies, lasting = here.rows(statement, [batch_ids])[0]
        if agencies == len(ours) and lasting > 60 * minutes + 1:
            return
        time.sleep(1)
    raise RuntimeError("The first call of some agency did not begin in time; the stack's logs say why.")


def _score(here: Ground, ours: Trial, theirs: Trial, until: int) -> Score:
    work = [(batch.limits, [hold(number) for number in batch.numbers]) for batch in ours.batches]
    return Score(
        ours.tenant,
        until,
        possible=simulate(ours.tenant.plan, work, until),
        stored=trials.from_first(trials.stored(here, ours)),
        arrived=trials.from_first(trials.arrived(here, ours)),
        looped=trials.from_first(trials.arrived(here, theirs)),
    )
