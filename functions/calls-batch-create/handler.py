"""POST /calls-batch-create: store a list of people to call; the processor starts when its time has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import batches
from shared.edge import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.batch_answers import CreatedBatch


@endpoint("POST", batches.NewBatch, writes=True, status=201, failure="Failed to create batch")
def main(caller: Caller, batch: batches.NewBatch) -> CreatedBatch:
    return batches.create(caller, batch)
