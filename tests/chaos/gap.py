"""The gap that no program can close, measured: from the last look at the clock until the write is done."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import quantiles
from typing import TYPE_CHECKING

from tests.chaos.people import PATIENT
from tests.chaos.run import Run, Scenario

if TYPE_CHECKING:
    from tests.chaos.ground import Ground

CONTACTS = 800
AT_ONCE = 50


@dataclass(frozen=True)
class Gap:
    """In microseconds."""

    writes: int
    p50: float
    p99: float
    longest: float

    def __str__(self) -> str:
        return f"p50 {self.p50:.0f} µs, p99 {self.p99:.0f} µs, longest {self.longest:.0f} µs of {self.writes:,} writes"


def measure(ground: Ground, dials: int) -> Gap:
    """Over at least so many dials, up to 50 at once: two writes each, headers and body."""
    scenario = Scenario("gap", "", lambda _: None)
    gaps: list[int] = []
    ground.set_provider({})
    for seed in range(-(-dials // CONTACTS)):
        with Run.made(scenario, seed, ground, ground.main) as run:
            run.hear()
            run.create(CONTACTS, max_concurrent=AT_ONCE)
            with run.worker(task="gap", environment=PATIENT) as worker:
                gaps += worker.result()
            run.finish()
    hundredths = quantiles(gaps, n=100)
    return Gap(len(gaps), hundredths[49] / 1000, hundredths[98] / 1000, max(gaps) / 1000)
