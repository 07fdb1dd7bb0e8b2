"""GET /status: whether the processors run, and what is out for the agency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import runs
from shared.people import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.status_answers import Status


@endpoint("GET", runs.StatusQuery, failure="Failed to fetch status from the database")
def main(caller: Caller, _query: runs.StatusQuery) -> Status:
    return runs.fetch_status(caller)
