"""The table of docs/reliability.md: one row for each fault."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import report
from local.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tests.chaos.engine import Outcome
    from tests.chaos.run import Scenario

DOCUMENT = ROOT / "docs" / "reliability.md"
HEAD = (
    *("fault", "runs", "kills, freezes …", "calls accepted", "double dials", "lost contacts", "slots leaked"),
    *("left unknown", "longest to settle", "bound"),
)


@dataclass(frozen=True)
class Row:
    """A scenario with the outcomes of its runs."""

    scenario: Scenario
    outcomes: Sequence[Outcome]

    @property
    def has_held(self) -> bool:
        return bool(self.outcomes) and all(outcome.has_held for outcome in self.outcomes)

    @property
    def double_dials(self) -> int:
        return sum(len(one.facts.again) for one in self.outcomes if one.facts)

    def done(self) -> Counter[str]:
        """Kills, freezes … of all runs, and the alarms that they led to."""
        done = sum((Counter(outcome.done) for outcome in self.outcomes), Counter[str]())
        done["late acceptances"] += sum(outcome.facts.alarms for outcome in self.outcomes if outcome.facts)
        return +done

    def cells(self) -> list[str]:
        found = [outcome.facts for outcome in self.outcomes if outcome.facts]
        longest = max((facts.settled_in for facts in found), default=0.0)
        failed = len(self.outcomes) - len(found)
        return [
            self.scenario.title,
            f"{len(self.outcomes)}" + (f" ({failed} failed)" if failed else ""),
            ", ".join(f"{what}: {count:,}" for what, count in sorted(self.done().items())) or "-",
            f"{sum(facts.accepted for facts in found):,}",
            str(self.double_dials),
            str(sum(len(facts.wrong) for facts in found)),
            str(sum(facts.leaked for facts in found)),
            str(sum(facts.unknown for facts in found)),
            f"{longest:.1f} s" if longest else "-",
            f"{self.scenario.bound:.1f} s" if longest and self.scenario.bound else "-",
        ]


def rows(scenarios: Iterable[Scenario], outcomes: Iterable[Outcome]) -> list[Row]:
    """One for each scenario that ran."""
    by_name: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_name.setdefault(outcome.scenario.name, []).append(outcome)
    return [Row(scenario, by_name[scenario.name]) for scenario in scenarios if scenario.name in by_name]


def text(found: Iterable[Row]) -> str:
    """In Markdown."""
    return report.table(HEAD, [row.cells() for row in found])


def write(sections: dict[str, str], file: Path = DOCUMENT) -> None:
    """Puts each text between its markers in the document; the prose around them stays."""
    document = file.read_text()
    for name, section in sections.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, _, rest = document.partition(begin)
        _, found, after = rest.partition(end)
        assert found, f"{file} has no place for {name}"
        document = f"{before}{begin}\n\n{section}\n\n{end}{after}"
    file.write_text(document)
