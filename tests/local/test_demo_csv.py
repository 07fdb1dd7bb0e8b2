"""The list that the demo plants, and what it concludes from what became of it."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.demo.command import parser
from local.demo.csv_list import DUPLICATE, HEADER, KINDS, planted
from local.demo.csv_report import Results, list_promises

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT = Path(__file__).parents[2]
LIST = planted(50, seed=1)
FIRST = LIST.numbers[0]
EXPORTED = [[f"'{number}", "answered", "1"] for number in LIST.numbers]
REPORTED = [(fault.row, fault.column, fault.problem) for fault in LIST.faults]
ROW, COLUMN, PROBLEM = REPORTED[0]
STATUS = {"rows_read": LIST.rows, "added": 50, "duplicates_skipped": 1, "invalid": 10}


def calls(*outcomes: str) -> list[dict[str, Any]]:
    """What the provider saw: the first person's calls, which ended so, and one answered by each of the others."""
    ended = [*((FIRST, outcome) for outcome in outcomes), *((number, "answered") for number in LIST.numbers[1:])]
    return [
        {"to": number, "outcome": outcome, "accepted_monotonic": float(at)}
        for at, (number, outcome) in enumerate(ended)
    ]


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """A run without fault, to which belong `calls("answered")`."""
    report = write(tmp_path / "report.csv", ("row", "column", "problem"), REPORTED)
    return Results(LIST, STATUS, report, [export(tmp_path, EXPORTED)])


def export(folder: Path, rows: Iterable[Sequence[object]]) -> Path:
    return write(folder / "results.csv", ("phone_number", "outcome", "attempts"), rows)


def write(file: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    with file.open("w", encoding="utf-8-sig", newline="") as text:
        csv.writer(text).writerows([header, *rows])
    return file


def broken(results: Results, accepted: list[dict[str, Any]]) -> list[str]:
    return [promise.text for promise in list_promises(results, accepted) if not promise.held]


def test_for_every_hundred_people_there_is_a_row_of_each_fault_and_at_least_one() -> None:
    for count, each in ((50, 1), (199, 1), (400, 4)):
        made = planted(count, seed=3)
        problems = [fault.problem for fault in made.faults]

        assert sorted(problems) == sorted(kind.problem for kind in KINDS for _ in range(each))
        assert (len(set(made.numbers)), made.rows, made.duplicates) == (count, count + each * len(KINDS), each)
        assert made.content.count(b"\r\n") == made.rows + 1


def test_a_duplicate_repeats_somebody_above_it() -> None:
    lines = planted(400, seed=2).content.splitlines()
    repeated = [fault.row for fault in planted(400, seed=2).faults if fault.problem == DUPLICATE]

    assert len(repeated) == 4
    for row in repeated:
        assert lines[row - 1] in lines[: row - 1]


def test_a_folder_is_made_or_refused_before_anything_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()

    assert parser().parse_args(["--csv", str(tmp_path / "new" / "folder")]).csv.is_dir()
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(["--csv", str(tmp_path / "file")])
    assert "file cannot be made a folder: File exists" in capsys.readouterr().err


def test_without_a_name_the_folder_is_the_one_that_git_ignores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    monkeypatch.chdir(tmp_path)

    assert parser().parse_args([]).csv is None
    assert f"{parser().parse_args(['--csv']).csv}/" in ignored


def test_the_list_looks_as_excel_saves_it() -> None:
    assert LIST.content.startswith(b"\xef\xbb\xbf" + ",".join(HEADER).encode() + b"\r\n")
    assert planted(50, seed=1) == LIST
    assert planted(50, seed=2) != LIST


def test_a_run_without_fault_keeps_every_promise(results: Results) -> None:
    assert broken(results, calls("answered")) == []


def test_a_voicemail_is_an_answer_and_the_last_of_several_calls_counts(results: Results, tmp_path: Path) -> None:
    assert broken(results, calls("voicemail")) == []
    export(tmp_path, [[f"'{FIRST}", "no_answer", "2"], *EXPORTED[1:]])
    assert broken(results, calls("dropped", "no_answer")) == []


@pytest.mark.parametrize(
    ("counter", "promise"),
    [
        ("rows_read", "Rows of the list read"),
        ("added", "People added"),
        ("duplicates_skipped", "Rows with a number that was listed already"),
        ("invalid", "Rows refused"),
    ],
)
def test_a_counter_that_is_off_by_one_breaks_its_promise(results: Results, counter: str, promise: str) -> None:
    wrong = replace(results, status=STATUS | {counter: STATUS[counter] + 1})

    assert broken(wrong, calls("answered")) == [promise]


@pytest.mark.parametrize(
    "reported",
    [
        REPORTED[1:],
        [*REPORTED, REPORTED[0]],
        [(ROW + 1, COLUMN, PROBLEM), *REPORTED[1:]],
        [(ROW, "Plan", PROBLEM), *REPORTED[1:]],
        [(ROW, COLUMN, "is odd"), *REPORTED[1:]],
    ],
)
def test_a_fault_that_is_missing_doubled_or_misnamed_breaks_the_report(
    results: Results, tmp_path: Path, reported: list[tuple[int, str, str]]
) -> None:
    write(tmp_path / "report.csv", ("row", "column", "problem"), reported)

    assert broken(results, calls("answered")) == ["Faults reported as planted"]
    assert broken(replace(results, report=None), calls("answered")) == ["Faults reported as planted"]


def test_whoever_is_not_called_is_missed_even_if_the_export_says_so_too(results: Results, tmp_path: Path) -> None:
    export(tmp_path, [[f"'{FIRST}", "", "0"], *EXPORTED[1:]])

    assert "People not called, and strangers called" in broken(results, calls())


def test_a_stranger_who_is_called_is_noticed(results: Results) -> None:
    stranger = calls("answered")[0] | {"to": "+12135550199"}

    assert "People not called, and strangers called" in broken(results, [*calls("answered"), stranger])


@pytest.mark.parametrize("rows", [[EXPORTED[0], *EXPORTED], [EXPORTED[1], EXPORTED[0], *EXPORTED[2:]]])
def test_a_row_that_is_exported_twice_or_out_of_order_is_noticed(
    results: Results, tmp_path: Path, rows: list[list[str]]
) -> None:
    export(tmp_path, rows)

    assert broken(results, calls("answered")) == ["Rows exported, one a person"]


@pytest.mark.parametrize("seen", [["no_answer"], ["answered", "no_answer"], ["no_answer", "answered"]])
def test_an_outcome_or_a_number_of_calls_that_differs_from_the_providers_is_noticed(
    results: Results, seen: list[str]
) -> None:
    assert broken(results, calls(*seen)) == ["Outcomes and attempts unlike the provider's"]
