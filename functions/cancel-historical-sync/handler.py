"""POST /cancel-historical-sync: end an import that is pending or under way; what it has stored stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import sync_jobs
from shared.people import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.sync_answers import CancelledSync


@endpoint("POST", sync_jobs.SyncReference, failure="Failed to cancel sync job")
def main(caller: Caller, sync: sync_jobs.SyncReference) -> CancelledSync:
    return sync_jobs.cancel(caller, sync)
