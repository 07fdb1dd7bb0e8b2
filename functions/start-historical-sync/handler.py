"""POST /start-historical-sync: import the agency's past calls, those of a range of dates or all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import sync_jobs
from shared.people import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.sync_answers import CreatedSync


@endpoint("POST", sync_jobs.NewSync, failure="Failed to create sync job")
def main(caller: Caller, sync: sync_jobs.NewSync) -> CreatedSync:
    return sync_jobs.create(caller, sync)
