from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from shared.telemetry import SERVICE
from tests.leaks import Watch, leaks, leaks_in

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "line",
    [
        "calling +12135550123",
        "?to=%2B12135550123",
        "got eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        "bl_secret_0123456789abcdef0123",
        "Authorization: Bearer 0123456789abcdef0123",
        "the hidden word",
    ],
)
def test_what_a_log_may_not_show_is_seen_in_it(line: str, tmp_path: Path) -> None:
    (tmp_path / "part.log").write_text(f"before\n{line}\nafter\n")

    assert leaks(line, {"hidden word"}) == [line]
    assert leaks_in(tmp_path, {"hidden word"}) == [f"part.log: {line}"]


def test_what_says_nothing_of_anybody_is_let_through() -> None:
    assert leaks("calling …0123 at 2026-11-22T05:40:00.123456+00:00 with bl_key_0123456789abcdef") == []


def test_our_lines_are_looked_at_as_they_are_written_and_others_as_they_are() -> None:
    watch = Watch()
    for name in (SERVICE, "somebody_else"):
        watch.emit(logging.LogRecord(name, logging.INFO, "", 0, "calling %s", ("+12135550123",), None))

    assert watch.found == ["somebody_else calling +12135550123"]
