"""POST /start-historical-sync: import the agency's past calls, those of a range of dates or all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import sync_jobs
from shared.edge import endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.auth import Caller


@endpoint("POST", sync_jobs.NewSync, failure="Failed to create sync job")
def main(caller: Caller, sync: sync_jobs.NewSync) -> Mapping[str, object]:
    return sync_jobs.create(caller, sync)
