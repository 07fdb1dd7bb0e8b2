"""A day of calls in the United States: who has somebody to dial at which time.

Assumed, not measured: agencies lie in four time zones as people do, half of them begin between nine and ten in the
morning and the others evenly from eight to six; people may be called from eight to nine in the evening, their time.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ZONES = {-5: 0.47, -6: 0.29, -7: 0.07, -8: 0.17}  # hours from UTC, and about how many of a hundred people live there
OPENS, CLOSES = 8, 21
STEPS_AN_HOUR = 2
FIRST, LAST = 12, 30  # hours of UTC between which anybody may be called


@dataclass
class Work:
    """An agency's day: from when, in UTC hours, until when, and how many calls are left."""

    begins: float
    ends: float
    left: float


@dataclass(frozen=True)
class Step:
    """Half an hour: how many agencies had work, and what share of their pace they got."""

    hour: float
    active: int
    share: float


def works(agencies: int, calls: int, seed: int = 1) -> list[Work]:
    """So many agencies with so many calls each."""
    chance = random.Random(seed)  # noqa: S311 - who begins when
    zones = chance.choices(list(ZONES), list(ZONES.values()), k=agencies)
    begins = [chance.uniform(9, 10) if chance.random() < 0.5 else chance.uniform(OPENS, 18) for _ in zones]
    return [Work(at - zone, CLOSES - zone, calls) for at, zone in zip(begins, zones, strict=True)]


def lived(agencies: list[Work], pace: int, served: Callable[[int], float]) -> list[Step]:
    """The day, half an hour at a time; `served(active)` is the share of its pace that each of so many gets.

    What is not dialled is dialled later, as long as people may be called; `left` is what was not in the end.
    """
    steps: list[Step] = []
    for number in range((LAST - FIRST) * STEPS_AN_HOUR):
        hour = FIRST + number / STEPS_AN_HOUR
        active = [one for one in agencies if one.begins <= hour < one.ends and one.left > 0]
        share = served(len(active)) if active else 1.0
        for one in active:
            one.left = max(0.0, one.left - pace * 60 / STEPS_AN_HOUR * share)
        steps.append(Step(hour, len(active), share))
    return steps


def peak(agencies: int, calls: int, pace: int) -> int:
    """The most agencies that dial at once where each reaches its pace."""
    return max(step.active for step in lived(works(agencies, calls), pace, lambda _: 1.0))
