"""POST /calls-batch-create: store a list of people to call; the processor starts when its time has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import new_batches
from shared.people import creation

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.batch_answers import CreatedBatch
    from shared.idempotency import Attempt, Created


@creation(new_batches.NewBatch, failure="Failed to create batch")
def main(caller: Caller, batch: new_batches.NewBatch, attempt: Attempt) -> Created[CreatedBatch]:
    return new_batches.create(caller, batch, attempt)
