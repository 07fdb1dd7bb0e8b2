"""POST /calls-batch-pause: start no more calls of a processing or scheduled batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import batches
from shared.people import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.batch_answers import PausedBatch


@endpoint("POST", batches.BatchReference, writes=True, failure="Failed to update batch status")
def main(caller: Caller, batch: batches.BatchReference) -> PausedBatch:
    return batches.pause(caller, batch)
