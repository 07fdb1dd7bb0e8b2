"""POST /calls-batch-resume: let a paused batch go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import batches
from shared.people import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.batch_answers import ResumedBatch


@endpoint("POST", batches.BatchReference, writes=True, failure="Failed to update batch status")
def main(caller: Caller, batch: batches.BatchReference) -> ResumedBatch:
    return batches.resume(caller, batch)
