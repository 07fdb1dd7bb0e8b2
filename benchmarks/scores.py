"""What a measurement of utilisation came to, agency by agency, as figures, sentences and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from benchmarks.optimum import MINUTE, SECOND, Life, begun, held, most_at_once, most_in_any, permitted
from benchmarks.report import sparkline, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.optimum import Limits
    from benchmarks.shapes import Tenant

    Lives = list[list[Life]]

TARGET = 0.97
ARRIVAL_TOLERANCE = SECOND // 20  # what is exact in the database reaches the provider with some jitter
STEP = 10 * SECOND


@dataclass(frozen=True)
class Score:
    """One agency: calls by batch, each side's first call as zero. `stored` as the database has the dialler's calls,
    `arrived` as the provider has them; `looped` those of the simple loop; `until` is the end of the window.
    """

    tenant: Tenant
    until: int
    possible: Lives
    stored: Lives
    arrived: Lives
    looped: Lives

    @property
    def utilisation(self) -> float:
        """Of what was possible. Begun is a fact of the database, held one of the provider."""
        return self._amount(self.stored if self.tenant.measure == "begun" else self.arrived) / self._possible

    @property
    def utilisation_of_loop(self) -> float:
        """Of what was possible within the limits; more than 1 where it keeps to none."""
        return self._amount(self.looped) / self._possible

    @property
    def permitted_of_loop(self) -> float:
        """The same, of those calls alone that kept within the limits."""
        work = list(zip(self.tenant.batches, self.looped, strict=True))
        return self._amount(permitted(self.tenant.plan, work)) / self._possible

    @property
    def _possible(self) -> float:
        return self._amount(self.possible)

    def _amount(self, lives: Lives, until: int | None = None) -> float:
        """Calls begun, or seconds for which places were held."""
        until = self.until if until is None else until
        flat = [life for batch in lives for life in batch]
        return begun(flat, until) if self.tenant.measure == "begun" else held(flat, until) / SECOND

    def row(self) -> tuple[str, ...]:
        """As the report shows it."""
        unit = "calls begun" if self.tenant.measure == "begun" else "seconds held"
        got = self.utilisation * self._possible
        return (
            *(self.tenant.name, unit, f"{self._possible:.0f}", f"{got:.0f}"),
            *(f"{self.utilisation:.3f}", f"{self.utilisation_of_loop:.3f}", f"{self.permitted_of_loop:.3f}"),
        )

    def picture(self) -> str:
        """A bar for each ten seconds: what could begin or be held, and what was."""
        sides = {"possible": self.possible, "dialler": self.arrived, "loop": self.looped}
        steps = {name: self._steps(lives) for name, lives in sides.items()}
        top = max(steps["possible"])
        lines = [f"{name:>8} {sparkline(amounts, top)}" for name, amounts in steps.items()]
        return "\n".join((f"{self.tenant.name}, {self.tenant.measure} in each 10 s:", "", "```", *lines, "```"))

    def _steps(self, lives: Lives) -> list[float]:
        amounts = [self._amount(lives, at) for at in range(0, self.until + 1, STEP)]
        return [after - before for before, after in pairwise(amounts)]

    def exceeded(self) -> list[str]:
        """A sentence for each limit that the dialler exceeded: exactly in the database, or beyond jitter on arrival."""
        late = [f"{said} on arrival" for said in _exceeded(self.tenant, self.arrived, ARRIVAL_TOLERANCE)]
        return [*_exceeded(self.tenant, self.stored), *late]

    def exceeded_by_loop(self) -> list[str]:
        return list(_exceeded(self.tenant, self.looped))


def _exceeded(tenant: Tenant, lives: Lives, tolerance: int = 0) -> Iterator[str]:
    whole = [life for batch in lives for life in batch]
    places = [f"{tenant.name}, {place}" for place in ("plan", *(f"batch {n}" for n in range(1, len(lives) + 1)))]
    for place, limits, its in zip(places, (tenant.plan, *tenant.batches), (whole, *lives), strict=True):
        uses = [
            f"{found} {what} ({allowed} allowed)"
            for found, allowed, what in _uses(limits, its, tolerance)
            if found > allowed
        ]
        if uses:
            yield f"{place}: {', '.join(uses)}"


def _uses(limits: Limits, lives: Sequence[Life], tolerance: int) -> list[tuple[int, int, str]]:
    starts = [life.begun for life in lives]
    return [
        (most_in_any(starts, SECOND - tolerance), limits.calls_per_second, "in 1 s"),
        (most_in_any(starts, MINUTE - tolerance), limits.calls_per_minute, "in 60 s"),
        (most_at_once(lives), limits.max_concurrent, "at once"),
    ]


def report(scores: Sequence[Score]) -> tuple[str, bool]:
    """The text, and whether every agency met the target with no limit exceeded."""
    lowest = min(score.utilisation for score in scores)
    exceeded = [said for score in scores for said in score.exceeded()]
    by_loop = [said for score in scores for said in score.exceeded_by_loop()]
    met = lowest >= TARGET and not exceeded
    head = ("agency", "measured", "possible", "dialler", "of possible", "simple loop", "within limits")
    text = "\n\n".join(
        (
            f"## Utilisation over {scores[0].until // MINUTE} whole minutes",
            table(head, [score.row() for score in scores]),
            f"Lowest {lowest:.3f}, target {TARGET}: {'met' if met else 'missed'}.",
            "Limits exceeded by the dialler" + _sentences(exceeded),
            "Limits exceeded by the simple loop" + _sentences(by_loop),
            *(score.picture() for score in scores),
        )
    )
    return text, met


def _sentences(said: Sequence[str]) -> str:
    return ": none." if not said else ":\n\n" + "\n".join(f"- {one}" for one in said)
