"""What the demo of a list promised: the faults that were planted are those reported, and the export is what the
provider saw."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.demo.csv_list import Fault
from local.demo.report import Promise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from local.demo.csv_list import PlantedList

# What we call what the simulator's people do, where it is not the same word.
OUR_WORD = {"voicemail": "answered", "connection_error": "error", "system_error": "error"}


@dataclass(frozen=True)
class Results:
    """A list that went in and came out: as it was planted, the import as calls-batch-import-get shows it in the end,
    and the files that were downloaded. No report: None."""

    planted: PlantedList
    status: dict[str, Any]
    report: Path | None
    exports: Sequence[Path]


def list_promises(results: Results, accepted: Sequence[dict[str, Any]]) -> list[Promise]:
    """What holds for the list, each held or not; `accepted` is the simulator's list of calls."""
    exported = list(_rows(results.exports))
    return [
        *_counted(results),
        _reported(results),
        _called(results.planted, accepted),
        _exported_once(results.planted, exported),
        _as_seen(exported, accepted),
    ]


def _counted(results: Results) -> Iterator[Promise]:
    planted, status = results.planted, results.status
    rows = {
        "Rows of the list read": (planted.rows, status["rows_read"]),
        "People added": (len(planted.numbers), status["added"]),
        "Rows with a number that was listed already": (planted.duplicates, status["duplicates_skipped"]),
        "Rows refused": (len(planted.faults) - planted.duplicates, status["invalid"]),
    }
    for text, (promised, seen) in rows.items():
        yield Promise(text, f"{promised:,}", f"{seen:,}", "API", promised == seen)


def _reported(results: Results) -> Promise:
    """Row, column and problem of every fault, and nothing else."""
    found = Counter(reported(results.report)) if results.report else Counter[Fault]()
    planted = Counter(results.planted.faults)
    differing = sorted((planted - found) + (found - planted))
    hint = f" The first that differs: row {differing[0].row}, {differing[0].problem}." if differing else ""
    seen = (planted & found).total()
    return Promise(
        "Faults reported as planted", f"{len(results.planted.faults):,}", f"{seen:,}", "report", not hint, hint
    )


def reported(report: Path) -> Iterator[Fault]:
    """The faults that a report names."""
    for line in _read(report):
        yield Fault(int(line["row"]), line["column"], line["problem"])


def _called(planted: PlantedList, accepted: Sequence[dict[str, Any]]) -> Promise:
    """Everybody on the list was called, and no number that is not on it."""
    differing = set(planted.numbers) ^ {call["to"] for call in accepted}
    text = "People not called, and strangers called"
    return Promise(text, "0", f"{len(differing)}", "provider", not differing)


def _exported_once(planted: PlantedList, exported: Sequence[dict[str, str]]) -> Promise:
    numbers = [_plain(row["phone_number"]) for row in exported]
    held = numbers == [*planted.numbers]
    hint = "" if held else " They are not the people of the list, each once and in its order."
    people, rows = f"{len(planted.numbers):,}", f"{len(numbers):,}"
    return Promise("Rows exported, one a person", people, rows, "export", held, hint)


def _as_seen(exported: Sequence[dict[str, str]], accepted: Sequence[dict[str, Any]]) -> Promise:
    """Each row has the outcome of the person's last call, and as many attempts as there were calls."""
    calls: defaultdict[str, list[str]] = defaultdict(list)
    for call in sorted(accepted, key=lambda call: call["accepted_monotonic"]):
        calls[call["to"]].append(OUR_WORD.get(call["outcome"]) or call["outcome"])
    ours = {_plain(row["phone_number"]): (row["outcome"], int(row["attempts"])) for row in exported}
    theirs = {number: (outcomes[-1], len(outcomes)) for number, outcomes in calls.items()}
    differing = [number for number in ours.keys() | theirs.keys() if ours.get(number) != theirs.get(number)]
    return Promise("Outcomes and attempts unlike the provider's", "0", f"{len(differing)}", "both", not differing)


def _rows(files: Iterable[Path]) -> Iterator[dict[str, str]]:
    for file in files:
        yield from _read(file)


def _read(file: Path) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as text:
        yield from csv.DictReader(text, strict=True)


def _plain(number: str) -> str:
    """A number without the apostrophe that keeps spreadsheets from computing it."""
    return number.removeprefix("'")
