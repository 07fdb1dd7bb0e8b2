"""Times and durations as the provider writes them: `2026-01-31T12:00:00.123456Z` and `90s`."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, time, timedelta

DURATION = r"^-?(?:0|[1-9][0-9]{0,11})(?:\.[0-9]{1,9})?s$"
_DURATION = re.compile(DURATION)
_BILLING_STEP_SECONDS = 6


def seconds(text: str) -> float:
    """The seconds of a duration. Raises ValueError."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration such as '90s'.")
    return float(text[:-1])


def duration(value: float) -> str:
    """Seconds as a duration."""
    return f"{round(value, 3):g}s"


def billed_seconds(value: float) -> int:
    """Billing rounds up to whole steps of 6 s."""
    return math.ceil(value / _BILLING_STEP_SECONDS) * _BILLING_STEP_SECONDS


def timestamp(epoch: float) -> str:
    """Epoch seconds as RFC 3339 in UTC."""
    return datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z")


def epoch(text: str, *, end_of_day: bool = False) -> float:
    """Epoch seconds of a date-time; a date alone means its first, or its last, instant in UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if "T" not in text and " " not in text and end_of_day:
        moment = datetime.combine(moment, time.min) + timedelta(days=1, microseconds=-1)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
