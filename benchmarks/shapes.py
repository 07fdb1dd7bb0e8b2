"""What is dialled in the measurement of utilisation: three shapes of limits, and people who talk for known times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.optimum import SECOND, Limits
from local.simulator.config import People
from local.simulator.people import course, draw
from shared.settings import settings

SEED = 20_261_122
PEOPLE = People(ring_seconds=(1, 6), talk_seconds=(5, 40), no_answer_seconds=15)
MAX_DURATION_SECONDS = 600

Measure = Literal["begun", "held"]


@dataclass(frozen=True)
class Tenant:
    """One agency: its plan, its batches, and what is compared: calls begun, or how long places were held."""

    name: str
    measure: Measure
    plan: Limits
    batches: tuple[Limits, ...]


# Three shapes: the pace binds; concurrency binds; twelve small batches of three agencies, of which the batches' paces
# bind in the first, the plan's pace in the second and the plan's concurrency in the third.
TENANTS = (
    Tenant("60 a minute", "begun", Limits(600, 100), (Limits(60, 100),)),
    Tenant("90 a minute, 10 at once", "held", Limits(600, 100), (Limits(90, 10),)),
    Tenant("4 x 10 a minute", "begun", Limits(120, 100), 4 * (Limits(10, 20),)),
    Tenant("4 x 15 a minute, plan 30", "begun", Limits(30, 100), 4 * (Limits(15, 20),)),
    Tenant("4 x 4 at once, plan 6", "held", Limits(120, 6), 4 * (Limits(30, 4),)),
)


def hold(number: str) -> int:
    """For how many microseconds the first call to this number holds its place at the provider."""
    person = draw(SEED, number, 1, PEOPLE)
    lasting = course(person, settings().join_timeout_seconds, MAX_DURATION_SECONDS, PEOPLE).ended_after
    return round(lasting * SECOND)
