"""GET /get-sync-status: how the agency's import of past calls stands, or how the latest ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import sync_jobs
from shared.people import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.sync_answers import SyncStatus


@endpoint("GET", sync_jobs.StatusQuery, failure="Failed to fetch sync status from the database")
def main(caller: Caller, _query: sync_jobs.StatusQuery) -> SyncStatus:
    return sync_jobs.fetch_status(caller)
