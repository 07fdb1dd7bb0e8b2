"""Runs of the processors: what is known of the last one of each, for whoever asks how things are."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from shared import database
from shared.errors import DatabaseError
from shared.inputs import Input
from shared.settings import settings
from shared.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.auth import Caller
    from shared.status_answers import Status

    Work = Callable[[Callable[[], int]], Mapping[str, object]]


class StatusQuery(Input):
    """Nothing may be asked but how things are for one's own agency."""


def fetch_status(caller: Caller) -> Status:
    """The last run of each processor, and the agency's calls. Raises ForbiddenError for a user without an agency."""
    return database.rpc_as(caller, "get_status", {})


def recorded(processor: str) -> Callable[[Work], Work]:
    """Make of a processor's work one that writes down at its end when it ran and whether it failed, in a round trip."""

    def decorate(work: Work) -> Work:
        def run(remaining_ms: Callable[[], int]) -> Mapping[str, object]:
            begun, outcome = time.monotonic(), "failed"
            try:
                result = work(remaining_ms)
                outcome = "succeeded"
            finally:
                _record(processor, time.monotonic() - begun, outcome, remaining_ms)
            return result

        return run

    return decorate


def _record(processor: str, seconds: float, outcome: str, remaining_ms: Callable[[], int]) -> None:
    """Never raises DatabaseError: the run's work is written, and it must not fail for this."""
    if remaining_ms() < 1000 * settings().write_timeout_seconds:
        logger.warning("No time is left to record the run")
        return
    try:
        database.rpc("record_run", {"p_processor": processor, "p_seconds": seconds, "p_outcome": outcome})
    except DatabaseError:
        logger.exception("The run could not be recorded")
