"""Which scenarios run, and how often: the quick table of the tests and the long one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.chaos import answers, freezes, kills, news, outages, people, provider, variant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.chaos.run import Scenario


@dataclass(frozen=True)
class Plan:
    """Kills and freezes in all; runs of every other scenario; runs of each scenario of the variant (0: of a few)."""

    seed: int = 1
    kills: int = 1000
    freezes: int = 320
    others: int = 12
    outages: int = 6
    variant: int = 4
    overlapping: int = 10_000

    def scenarios(self) -> list[Scenario]:
        """In the order of the table."""
        return [scenario for scenario, _ in self._counted()]

    def jobs(self, only: str | None = None, runs: int | None = None) -> list[tuple[Scenario, int]]:
        """Each scenario with its seeds, which begin with the plan's; `only` takes those whose names contain it."""
        chosen = [(scenario, runs or count) for scenario, count in self._counted() if (only or "") in scenario.name]
        return _in_turn(chosen, self.seed)

    def variant_jobs(self) -> list[tuple[Scenario, int]]:
        chosen = variant.SCENARIOS if self.variant else variant.SURE
        return _in_turn([(scenario, self.variant or 1) for scenario in chosen], self.seed)

    def _counted(self) -> Iterable[tuple[Scenario, int]]:
        for group, count in (
            (kills.SCENARIOS, -(-self.kills // len(kills.SCENARIOS))),
            (freezes.SCENARIOS, -(-self.freezes // len(freezes.SCENARIOS))),
            (provider.SCENARIOS, self.others),
            (news.SCENARIOS, self.others),
            (answers.SCENARIOS, self.others),
            (people.SCENARIOS, self.others),
            (outages.SCENARIOS, self.outages),
            ((people.OVERLAPPING[self.overlapping],), 1),
        ):
            yield from ((scenario, min(count, self.outages) if scenario.alone else count) for scenario in group)


QUICK = Plan(kills=40, freezes=30, others=1, outages=1, variant=0, overlapping=800)


def _in_turn(counted: Iterable[tuple[Scenario, int]], first: int) -> list[tuple[Scenario, int]]:
    """One run of each, then a second of each …: what fails, fails early."""
    jobs = [(scenario, first + place) for scenario, count in counted for place in range(count)]
    return sorted(jobs, key=lambda job: job[1])
