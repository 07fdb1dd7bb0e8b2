"""How the whole deployment is, written as metrics for alarms (docs/operations.md names each with its threshold)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import database
from shared.errors import DatabaseError
from shared.settings import settings
from shared.telemetry import count, logger

if TYPE_CHECKING:
    from collections.abc import Callable


def report(function: str, remaining_ms: Callable[[], int]) -> None:
    """Write one metrics line with the answer of `vitals`, in `function`'s name. Never raises DatabaseError.

    Unlike a run's own figures these are levels of the whole deployment, and two runs that overlap both write them: read
    them with the statistic Maximum, never Sum. Left out when `remaining_ms` is too little to ask the database.
    """
    if remaining_ms() < 2 * 1000 * settings().write_timeout_seconds:  # the run's work is written; it must not die here
        logger.warning("No time is left to read the vitals")
        return
    try:
        vitals: dict[str, float] = database.rpc("vitals", {})
    except DatabaseError:
        logger.exception("The vitals could not be read")
        return
    count(function, **vitals)
