"""The table of docs/attacks.md: how many cases each endpoint met, and how it answered."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from benchmarks import report
from local.processes import ROOT
from tests.chaos import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.attacks.blocks import Outcome

DOCUMENT = ROOT / "docs" / "attacks.md"
CLASSES = ("2xx", "400", "401", "403", "404", "405", "409", "413", "422", "429", "hung up", "5xx")


def text(outcomes: Sequence[Outcome]) -> str:
    """In Markdown: a row for each endpoint, and one for all of them."""
    found: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.block.operation, Counter()).update(classes(outcome.statuses))
    rows = [_row(name, counts) for name, counts in sorted(found.items())]
    whole = sum(found.values(), Counter[str]())
    return report.table(("endpoint", "cases", *CLASSES), [*rows, _row("all", whole)])


def classes(statuses: Counter[int]) -> Counter[str]:
    """The same counts by the columns of the table."""
    counts = Counter[str]()
    for status, count in statuses.items():
        counts["hung up" if not status else str(status) if str(status) in CLASSES else f"{status // 100}xx"] += count
    return counts


def _row(name: str, counts: Counter[str]) -> list[str]:
    return [name, f"{counts.total():,}", *(f"{counts[kind]:,}" for kind in CLASSES)]


def write(sections: dict[str, str]) -> None:
    table.write(sections, DOCUMENT)
