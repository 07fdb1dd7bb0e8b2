"""When calls may begin, found by walking along the minutes with zoneinfo: slow, plain, and not the product's way."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    Json = dict[str, Any]
    Span = tuple[datetime, datetime]

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def windows(hours: Json, zones: Sequence[str], start: datetime, end: datetime) -> list[Span]:
    """The spans of whole minutes in which a call may begin: every wall clock is inside, and still is a minute later."""
    minutes = round((end - start) / MINUTE)
    inside = [all(_is_inside(hours, start + n * MINUTE, zone) for zone in zones) for n in range(minutes + 1)]
    found: list[Span] = []
    for n in range(minutes):
        if inside[n] and inside[n + 1]:
            at = start + n * MINUTE
            if found and found[-1][1] == at:
                found[-1] = (found[-1][0], at + MINUTE)
            else:
                found.append((at, at + MINUTE))
    return found


def _is_inside(hours: Json, at: datetime, zone: str) -> bool:
    wall = at.astimezone(_zone(zone))
    minute, today = wall.hour * 60 + wall.minute, wall.date()
    return any(start <= minute < end for start, end in _of_day(hours, today)) or any(
        start <= minute + 1440 < end for start, end in _of_day(hours, today - DAY)
    )


def _of_day(hours: Json, day: date) -> list[tuple[int, int]]:
    """The windows that start on a day, in minutes from its midnight by the clock."""
    if day.isoformat() in hours["holidays"]:
        return []
    pairs = [(_minute(start), _minute(end)) for start, end in hours["weekly"].get(DAYS[day.weekday()], [])]
    return [(start, end if end > start else end + 1440) for start, end in pairs]


def _minute(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@cache
def changes(zone: str, year: int) -> tuple[datetime, ...]:
    """The midnights (UTC) of the days of a year within which a zone's offset changes."""
    days = [datetime(year, 1, 1, tzinfo=UTC) + n * DAY for n in range(365)]
    return tuple(day for day in days if _offset(day, zone) != _offset(day + DAY, zone))


def _offset(at: datetime, zone: str) -> timedelta | None:
    return at.astimezone(_zone(zone)).utcoffset()


def random_hours(dice: Random, around: date) -> Json:
    """Several windows a day or none, over midnight too, whole days, odd minutes, and holidays near a date."""
    weekly = {day: [_random_window(dice) for _ in range(dice.choice((0, 1, 1, 2, 3)))] for day in DAYS}
    holidays = [(around + n * DAY).isoformat() for n in range(-2, 4) if dice.random() < 0.15]
    return {
        "timezone": "recipient",
        "weekly": {day: pairs for day, pairs in weekly.items() if pairs},
        "holidays": holidays,
    }


def _random_window(dice: Random) -> list[str]:
    if dice.random() < 0.1:
        return ["00:00", "24:00"]
    # Many around the hours in which clocks are changed.
    start, end = (dice.choice((dice.randrange(1440), dice.randrange(300), 30 * dice.randrange(48))) for _ in range(2))
    end = end if end != start else (start + 90) % 1440
    return [f"{start // 60:02}:{start % 60:02}", f"{end // 60:02}:{end % 60:02}"]
