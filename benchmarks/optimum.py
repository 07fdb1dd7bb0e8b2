"""The most that limits allow: the same calls, begun by an ideal dialler that needs no time at all.

An exact event simulation in whole microseconds, over half-open windows [t, t + 60 s) and [t, t + 1 s) and lives
[begun, ended). A call begins at the first instant that its batch and its agency allow, so for one batch, whose
contacts come in a given order, no dialler can ever have begun more by any time. Among batches that may begin at the
same instant the one with the fewest begun in the last minute goes first, then the first of the list.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SECOND = 1_000_000
MINUTE = 60 * SECOND


class Life(NamedTuple):
    """One call: begun and ended, in microseconds from any zero."""

    begun: int
    ended: int


@dataclass(frozen=True)
class Limits:
    """Of a batch or of an agency."""

    calls_per_minute: int
    max_concurrent: int

    @property
    def calls_per_second(self) -> int:
        """One second's share of a minute: carriers take about one start a second, so nothing begins in a burst."""
        return ceil(self.calls_per_minute / 60)


@dataclass
class Line:
    """What has begun under some limits; times must not fall."""

    limits: Limits
    begun: list[int] = field(default_factory=list[int])
    ends: list[int] = field(default_factory=list[int])

    def opens_at(self) -> int:
        """The first instant at which one more call keeps within the limits."""
        limits = self.limits
        return max(
            _place(self.begun, limits.calls_per_minute) + MINUTE,
            _place(self.begun, limits.calls_per_second) + SECOND,
            _place(self.ends, limits.max_concurrent),
            0,
        )

    def begun_since(self, at: int) -> int:
        return len(self.begun) - bisect_right(self.begun, at)

    def begin(self, life: Life) -> None:
        self.begun.append(life.begun)
        insort(self.ends, life.ended)


def simulate(agency: Limits, batches: Sequence[tuple[Limits, Sequence[int]]], until: int) -> list[list[Life]]:
    """For each batch the calls begun before `until`; a batch is its limits and how long each of its calls lasts."""
    whole, lines = Line(agency), [Line(limits) for limits, _ in batches]
    lives: list[list[Life]] = [[] for _ in batches]
    while open_batches := [place for place, (_, holds) in enumerate(batches) if len(lives[place]) < len(holds)]:
        at, _, place = min(_turn(whole, lines[place], place) for place in open_batches)
        if at >= until:
            break
        life = Life(at, at + batches[place][1][len(lives[place])])
        for line in (whole, lines[place]):
            line.begin(life)
        lives[place].append(life)
    return lives


def permitted(agency: Limits, batches: Sequence[tuple[Limits, Sequence[Life]]]) -> list[list[Life]]:
    """For each batch those of its calls that keep within all limits, when each that does not is left out."""
    whole, lines = Line(agency), [Line(limits) for limits, _ in batches]
    kept: list[list[Life]] = [[] for _ in batches]
    for life, place in sorted((life, place) for place, (_, lives) in enumerate(batches) for life in lives):
        if max(whole.opens_at(), lines[place].opens_at()) <= life.begun:
            for line in (whole, lines[place]):
                line.begin(life)
            kept[place].append(life)
    return kept


def _turn(whole: Line, line: Line, place: int) -> tuple[int, int, int]:
    at = max(whole.opens_at(), line.opens_at())
    return at, line.begun_since(at - MINUTE), place


def _place(times: Sequence[int], count: int) -> int:
    """The time that must be over for `count` places to leave one free; long ago if they never were all taken."""
    return times[-count] if len(times) >= count else -MINUTE


def begun(lives: Iterable[Life], until: int) -> int:
    """How many began before `until`."""
    return sum(life.begun < until for life in lives)


def held(lives: Iterable[Life], until: int) -> int:
    """For how long, added up, places were held before `until`."""
    return sum(max(0, min(life.ended, until) - life.begun) for life in lives)


def most_in_any(times: Iterable[int], window: int) -> int:
    """The most of these times in any half-open window."""
    ordered = sorted(times)
    return max((place + 1 - bisect_right(ordered, at - window) for place, at in enumerate(ordered)), default=0)


def most_at_once(lives: Iterable[Life]) -> int:
    """The most calls alive at one instant; one that ends makes room for one that begins at the same instant."""
    live = most = 0
    for _, change in sorted(step for life in lives for step in ((life.begun, 1), (life.ended, -1))):
        live += change
        most = max(most, live)
    return most
