"""POST /calls-batch-cancel: end a batch for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import batches
from shared.people import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.batch_answers import CancelledBatch


@endpoint("POST", batches.Cancellation, writes=True, failure="Failed to update batch status")
def main(caller: Caller, batch: batches.Cancellation) -> CancelledBatch:
    return batches.cancel(caller, batch)
