"""What the fan-out does at 1, 100, 1,000 and 10,000 agencies: simulated, since pace, polling and limits interact.

Each size is asked at its peak, first as it is deployed and then with one change after the other, and the largest over a
whole day. Large ones are simulated as a part of themselves: so many times fewer agencies, workers, cores, connections.
Seeded: the same figures every time. docs/scaling.md says what they mean.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil
from statistics import median, quantiles
from typing import TYPE_CHECKING

from benchmarks import day
from benchmarks.deployment import Deployment
from benchmarks.fleet_model import Agency, Seen, Simulation, ready
from benchmarks.measured import COSTS
from benchmarks.report import sparkline, table

if TYPE_CHECKING:
    from collections.abc import Sequence

PROVIDER_PACE = 360  # creations a minute and account, on the provider's largest plan
AT_MOST = 250  # agencies that are simulated one by one
WARM_UP, WINDOW = 130, 240  # seconds
ENOUGH = 0.97
QUEUE_WORKERS = 1000  # of one queue: AWS takes no more
DEPLOYED = Deployment(COSTS, workers=100, cores=4, pool=100)
TOLD = 60.0  # seconds, the longest wait of who is told when something comes instead of looking each second


@dataclass(frozen=True)
class Size:
    """So many agencies that make so many calls a day each, at this pace; `more` are the changes, in order."""

    agencies: int
    calls: int
    pace: int
    more: tuple[tuple[str, Deployment], ...] = ()

    @property
    def peak(self) -> int:
        """The most of them that dial at once."""
        return day.peak(self.agencies, self.calls, self.pace)


@dataclass(frozen=True)
class Result:
    """What was seen of so many agencies under a deployment; totals are those of all, not of the part simulated."""

    deployment: Deployment
    active: int
    pace: int
    part: float
    window: int
    seen: Seen

    @property
    def executions(self) -> float:
        """At once: the queue's workers at the most, and the webhooks on average."""
        return (self.seen.most_workers + self.seen.webhook_seconds / self.window) * self.part

    @property
    def cores(self) -> float:
        return self.seen.core_seconds / self.window * self.part

    @property
    def share(self) -> float:
        """Of its pace, which the median agency reaches."""
        return median(self.seen.shares)

    def binds(self) -> str:
        """What keeps the agencies from their pace first."""
        one, seen = self.deployment, self.seen
        if seen.late or self.cores > 0.93 * one.cores:
            return "database"
        if self.executions > one.executions:
            return "executions"
        if self.share >= ENOUGH:
            return "the pace" if self.pace < PROVIDER_PACE else "the provider"
        if seen.most_in_flight >= one.pool / self.part and seen.waits / seen.requests > 0.02:
            return "connections"
        return "queue's pollers" if one.workers >= QUEUE_WORKERS else "workers"

    def row(self, name: str) -> tuple[str, ...]:
        seen = self.seen
        ages = sorted(seen.ages) or [0.0]
        worst = quantiles(seen.shares, n=100)[0] if len(seen.shares) > 1 else seen.shares[0]
        connections = min(self.deployment.pool, seen.most_in_flight * self.part)
        return (
            name, f"{self.share:.2f}", f"{worst:.2f}", f"{median(ages):.0f}, {ages[-1]:.0f}",
            f"{seen.begun / self.window * self.part:,.1f}", f"{self.executions:,.0f}",
            f"{seen.requests / self.window * self.part:,.0f}", f"{self.cores:.1f} of {self.deployment.cores:g}",
            f"{connections:.0f} of {self.deployment.pool}", self.binds(),
        )  # fmt: skip


HEAD = (
    "", "share, p50", "worst 1 %", "age, p50, most, s", "calls/s", "executions", "requests/s", "cores", "connections",
    "binds",
)  # fmt: skip


def simulate(deployment: Deployment, active: int, pace: int, window: int = WINDOW, warm_up: int = WARM_UP) -> Result:
    """So many agencies that dial at once, each at its pace, as a part of themselves where they are many."""
    part = max(1.0, active / AT_MOST)
    less = replace(
        deployment,
        workers=max(2, round(deployment.workers / part)),
        cores=deployment.cores / part,
        pool=max(2, round(deployment.pool / part)),
        executions=max(2, round(deployment.executions / part)),
    )
    agencies = ready([Agency(pace) for _ in range(round(active / part))])
    return Result(deployment, active, pace, part, window, Simulation(less, agencies).run(window, warm_up))


def sizes() -> Sequence[Size]:
    """The sizes of docs/scaling.md: one change after the other until it is enough, then what else might be tried."""
    small, middle = replace(DEPLOYED, cores=2), replace(DEPLOYED, workers=1000)
    many = replace(middle, cores=16, executions=2000)
    large = replace(DEPLOYED, workers=1000, executions=2000, cores=16, pool=200)
    enough = replace(large, cores=32)
    return (
        Size(1, 10_000, PROVIDER_PACE, (("as deployed", small),)),
        Size(
            100, 10_000, 30,
            (
                ("as deployed", small),
                ("in an order drawn by lot", replace(small, by_lot=True)),
                ("125 workers: 1.5 for each that dials", replace(small, workers=125)),
                ("runs of 60 s, without an overlap", replace(small, overlap=0)),
                ("runs of 140 s", replace(small, overlap=80)),
            ),
        ),
        Size(
            1000, 10_000, 30,
            (
                ("as deployed", DEPLOYED),
                ("1,000 workers", middle),
                ("16 cores, 2,000 executions", many),
                ("in an order drawn by lot", replace(many, by_lot=True)),
                ("told instead of looking", replace(many, longest_wait=TOLD)),
            ),
        ),
        Size(
            10_000, 1_000, 10,
            (
                ("as deployed", DEPLOYED),
                ("1,000 workers, 16 cores, 2,000 executions", large),
                ("32 cores", enough),
                ("in an order drawn by lot", replace(enough, by_lot=True)),
                ("ten agencies a message, 700 workers", replace(enough, group=10, workers=700)),
                ("told instead of looking", replace(enough, longest_wait=TOLD)),
            ),
        ),
    )  # fmt: skip


def run() -> tuple[str, bool]:
    """The report; the target is that the sizes' last changes reach the pace."""
    parts, met = ["## Scaling, simulated"], True
    for size in sizes():
        results = [(name, simulate(one, size.peak, size.pace)) for name, one in size.more]
        total = size.agencies * size.calls
        parts.append(
            f"{size.agencies:,} agencies, {total:,} calls a day, {size.pace} a minute each; {size.peak:,} dial at once:"
        )
        parts.append(table(HEAD, [result.row(name) for name, result in results]))
        met = met and max(result.share for _, result in results) >= ENOUGH
    parts += [morning(sizes()[2]), days()]
    return "\n\n".join(parts), met


def morning(size: Size) -> str:
    """The first minutes of a day on which all begin at once and nothing runs yet."""
    deployment = size.more[2][1]
    part = size.peak / AT_MOST
    first, more = deployment.pollers
    less = replace(
        deployment, workers=round(deployment.workers / part), cores=deployment.cores / part,
        executions=round(deployment.executions / part), pollers=(max(1, round(first / part)), more / part),
    )  # fmt: skip
    seen = Simulation(less, [Agency(size.pace) for _ in range(AT_MOST)], warm=False).run(300)
    return (
        f"{size.peak:,} agencies that all begin at once, with no worker running, {deployment.workers:,} allowed: "
        f"in the first five minutes {sum(seen.shares) / len(seen.shares):.0%} of their pace; the last message of the "
        f"first round is taken after {max(seen.ages):.0f} s."
    )


def days() -> str:
    """The day of the largest size, as deployed and with what is enough: a column for each half an hour."""
    size = sizes()[-1]
    pictures: list[str] = []
    for name, deployment in (size.more[0], size.more[2]):
        left = day.works(size.agencies, size.calls)
        steps = day.lived(left, size.pace, lambda active, one=deployment: _served(one, active, size.pace))
        made = size.agencies * size.calls - sum(one.left for one in left)
        rates = [step.active * step.share * size.pace / 60 for step in steps]
        pictures.append(
            f"{name}: {made / 1e6:.1f} million calls made, at most {max(step.active for step in steps):,} agencies at "
            f"once, {max(rates):,.0f} calls/s at the peak.\n\n```\n"
            f"{'UTC':>16} {''.join(f'{int(step.hour) % 24:<4}' for step in steps[:: 2 * day.STEPS_AN_HOUR])}\n"
            f"{'agencies at once':>16} {sparkline([step.active for step in steps], size.agencies)}\n"
            f"{'calls/s':>16} {sparkline(rates, 800)}\n"
            f"{'share of pace':>16} {sparkline([step.share if step.active else 0 for step in steps], 1)}\n```"
        )
    return "\n\n".join(pictures)


@lru_cache
def _near(deployment: Deployment, active: int, pace: int) -> float:
    return min(1.0, simulate(deployment, active, pace, 120, 70).share)


def _served(deployment: Deployment, active: int, pace: int) -> float:
    """The share of so many; sizes that are near each other are simulated once."""
    coarse = max(1, deployment.workers // 2)
    return _near(deployment, coarse * ceil(active / coarse) if active > coarse else active, pace)
