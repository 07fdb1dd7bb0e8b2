"""Calling hours around the moment: one window by everybody's own clock, that just then opens here and closes there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from local.demo import people

MINUTE = timedelta(minutes=1)
DAY_SECONDS = 24 * 60 * 60
EARLIEST_SECONDS = 20  # until the turn: time to see calls before it
SHARE_BEFORE = 0.75  # of those who may be called before the turn: the rest of a zone that closes is seen to be cut off
SLOWEST, FASTEST = 60, 600  # calls a minute

# The window starts at the turn in the first and allows no more calls from the turn on in the second; neither has summer
# time, so that at any time of the year some zone opens, some closes, those between stay open and the others sleep.
OPENING, CLOSING = "America/Bogota", "Africa/Lagos"
ZONES = (
    *("Pacific/Honolulu", "America/Anchorage", "America/Los_Angeles", "America/Phoenix", "America/Denver"),
    *("America/Chicago", "America/Mexico_City", "America/Costa_Rica", "America/New_York", OPENING, "America/Lima"),
    *("America/Jamaica", "America/Panama", "America/Halifax", "America/Puerto_Rico", "America/Caracas"),
    *("America/St_Johns", "America/Santiago", "America/Sao_Paulo", "America/Montevideo", "Atlantic/Azores"),
    *("Africa/Abidjan", "Europe/London", "Europe/Lisbon", CLOSING, "Africa/Algiers", "Europe/Paris", "Europe/Athens"),
    *("Africa/Johannesburg", "Africa/Nairobi", "Asia/Tehran", "Asia/Dubai", "Asia/Karachi", "Asia/Kolkata"),
    *("Asia/Kathmandu", "Asia/Bangkok", "Asia/Manila", "Asia/Tokyo", "Australia/Adelaide", "Pacific/Auckland"),
)
STAYS, OPENS, CLOSES, SLEEPS = KINDS = ("stays open", "opens", "closes", "sleeps")


@dataclass(frozen=True)
class Hours:
    """The window, in seconds of the day by the clock on the wall, and the turn at which zones open and close.

    Reckoned from what the clock shows in each zone, without the database: what the demo holds it against.
    """

    turn: datetime
    start: int
    seconds: int

    def allows(self, zone: str, at: datetime, last: timedelta = timedelta()) -> bool:
        """Whether it is open there, less the `last` part of the window."""
        return (_wall(zone, at) - self.start) % DAY_SECONDS < self.seconds - last.total_seconds()

    def may_begin(self, zone: str, at: datetime) -> bool:
        """Whether a call to somebody there may begin: not in the window's last minute."""
        return self.allows(zone, at, MINUTE)

    def kind(self, zone: str) -> str:
        """What the turn means there: one of KINDS."""
        before, after = self.may_begin(zone, self.turn - timedelta(seconds=1)), self.may_begin(zone, self.turn)
        return (STAYS if after else CLOSES) if before else (OPENS if after else SLEEPS)

    def next_opening(self, zone: str, at: datetime) -> datetime:
        """The first whole minute from `at` on at which a call may begin there. Raises StopIteration if none comes
        within two days.
        """
        first = _whole_minute(at)
        minutes = (first + number * MINUTE for number in range(2 * 24 * 60))
        return next(minute for minute in minutes if self.may_begin(zone, minute))

    def json(self) -> dict[str, str]:
        """As calls-batch-create takes them."""
        return {"timezone": "recipient", "start": _clock(self.start), "end": _clock(self.start + self.seconds)}


def around(now: datetime) -> Hours:
    """Hours whose turn comes 20 to 80 seconds from now, on a whole minute."""
    turn = _whole_minute(now + timedelta(seconds=EARLIEST_SECONDS))
    start = int(_wall(OPENING, turn))
    return Hours(turn, start, int(_wall(CLOSING, turn + MINUTE) - start) % DAY_SECONDS)


def contacts(count: int, seed: int) -> list[people.Contact]:
    """People all over the zones, next to each other on the list."""
    listed = people.contacts(count, seed)
    return [contact | {"timezone": ZONES[index % len(ZONES)]} for index, contact in enumerate(listed)]


def pace(hours: Hours, listed: list[people.Contact], now: datetime) -> int:
    """Calls a minute at which the turn comes before all who may be called until then have been."""
    early = sum(hours.kind(contact["timezone"]) in (STAYS, CLOSES) for contact in listed)
    minutes = (hours.turn - now) / MINUTE
    return min(max(round(SHARE_BEFORE * early / minutes), SLOWEST), FASTEST)


def settings(hours: Hours, listed: list[people.Contact], now: datetime) -> dict[str, Any]:
    """What is special about this demo's batch."""
    return {"calling_hours": hours.json(), "contacts": listed, "calls_per_minute": pace(hours, listed, now)}


def _whole_minute(at: datetime) -> datetime:
    floor = at.replace(second=0, microsecond=0)
    return floor if floor == at else floor + MINUTE


def _wall(zone: str, at: datetime) -> float:
    """Seconds since midnight, by the clock on the wall there."""
    wall = at.astimezone(ZoneInfo(zone))
    return wall.hour * 3600 + wall.minute * 60 + wall.second + wall.microsecond / 1e6


def _clock(seconds: int) -> str:
    minutes = seconds % DAY_SECONDS // 60
    return f"{minutes // 60:02}:{minutes % 60:02}"
