"""What the demo shows while it runs."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from local.demo.view import Frame, Lines, Picture, clock, line, picture, view_on
from local.demo.witness import News

BATCH = {
    "name": "200 people to call",
    "status": "processing",
    "total_contacts": 200,
    "remaining_count": 120,
    "progress_percentage": 40.0,
    "pending": 0,
    "queued": 89,
    "in_progress": 31,
    "completed": 75,
    "failed": 5,
    "skipped": 0,
    "calls_per_minute": 600,
    "max_concurrent": 60,
}
ANSWERED = News(
    at=datetime(2030, 1, 1, 12, tzinfo=UTC),
    event="ended",
    reason="hangup",
    outcome="answered",
    duration_seconds=3,
    attempt=1,
    max_attempts=3,
    phone_number="+12135550123",
    actor=None,
    name="Ada Adler",
)
PAUSED = News(ANSWERED.at, "paused", None, None, None, None, None, None, "owner@acme.test", None)


def frame(*, elapsed: float = 12.0, moving: float = 12.0, news: list[News] | None = None, **batch: Any) -> Frame:
    return Frame(
        batch=BATCH | batch,
        starts=dict.fromkeys(range(12), 10),
        news=news or [],
        oracle={"accepted": 111, "double_dials": 0, "most_concurrent": 44},
        polls=24,
        wrong_polls=0,
        elapsed=elapsed,
        moving=moving,
    )


def drawn(shown: Frame, width: int = 96) -> list[str]:
    console = Console(width=width, file=StringIO())
    with console.capture() as capture:
        console.print(picture(shown))
    return capture.get().splitlines()


def test_the_picture_shows_states_limits_and_what_the_provider_saw() -> None:
    text = "\n".join(drawn(frame(news=[ANSWERED, PAUSED])))

    for part in (
        *("200 people to call", "processing", "40.0 % done", "89", "31", "75", "120 / 600", "31 / 60", "≤ 10"),
        *("111 calls, at most 44 at once; 0 double dials", "0 differences from the contacts in 24 looks"),
        *("Ada Adler", "+12135550123", "answered, 3 s", "paused by owner@acme.test"),
    ):
        assert part in text


def test_the_picture_fits_a_terminal_of_80_by_24() -> None:
    rows = drawn(frame(news=[ANSWERED] * 6), width=80)

    assert len(rows) <= 24
    assert all(len(row) <= 80 for row in rows)
    assert "0 double dials" in "\n".join(rows)


def test_the_picture_keeps_its_height() -> None:
    assert len(drawn(frame())) == len(drawn(frame(news=[ANSWERED] * 9)))


def test_each_second_is_as_high_as_its_part_of_the_limit() -> None:
    shown = frame()
    shown.starts.clear()
    shown.starts.update({1: 10, 2: 1, 3: 0, 4: 5})
    (row,) = [row for row in drawn(shown) if "each second" in row]

    assert "▄ ▁▇ " in row


def test_time_to_go_follows_the_latest_pace() -> None:
    # 120 people remain, the 111 reached so far took one call each, 120 calls began in the last 12 s
    assert frame().eta == pytest.approx(12)
    assert frame(moving=6).eta == pytest.approx(12)
    assert frame(status="paused").eta is None
    assert frame(moving=2).eta is None


def test_nothing_is_foretold_before_the_first_call() -> None:
    shown = frame(in_progress=0, remaining_count=200)

    assert shown.eta is None
    assert "to go -" in line(shown)


def test_time_is_shown_in_minutes_and_seconds() -> None:
    assert [clock(seconds) for seconds in (None, 0, 59.1, 125)] == ["-", "0:00", "1:00", "2:05"]


def test_where_there_is_no_terminal_a_line_comes_every_few_seconds_and_with_each_change_of_state() -> None:
    output = StringIO()
    with view_on(Console(file=output, width=40)) as view:
        assert isinstance(view, Lines)
        view.show(frame(elapsed=0, status="pending"))
        for elapsed in (1, 2, 5, 6):
            view.show(frame(elapsed=elapsed))

    assert [text[:4] for text in output.getvalue().splitlines()] == ["0:00", "0:01", "0:06"]


def test_a_terminal_gets_the_picture() -> None:
    output = StringIO()
    with view_on(Console(file=output, force_terminal=True, width=96)) as view:
        assert isinstance(view, Picture)
        view.show(frame())

    assert "each second" in output.getvalue()
