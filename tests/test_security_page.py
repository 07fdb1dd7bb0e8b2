"""SECURITY.md says which test shows what: each of them is there, under that name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "SECURITY.md").read_text()
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")][1:]
LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")
NAME = re.compile(r"`(test_\w+)`")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[-3][:60])
def test_what_shows_that_somebody_is_stopped_is_there(row: list[str]) -> None:
    shown_by = row[-1]
    files = {path: name for name, path in LINK.findall(shown_by)}

    assert files
    assert {path: Path(path).name for path in files} == files
    assert [path for path in files if not (ROOT / path).is_file()] == []
    text = "\n".join((ROOT / path).read_text() for path in files)
    assert [name for name in NAME.findall(shown_by) if f"def {name}(" not in text] == []


def test_the_page_says_how_to_report_and_what_is_not_stopped() -> None:
    assert re.findall(r"^## (.+)$", PAGE, re.MULTILINE) == [
        "Reporting",
        "The threat model on a page",
        "What is not stopped",
    ]
    assert len(ROWS) >= 15
    assert [row for row in ROWS if len(row) not in (3, 4)] == []
