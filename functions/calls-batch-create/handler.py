"""POST /calls-batch-create: store a list of people to call; the processor starts when its time has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import batches
from shared.edge import creation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.auth import Caller
    from shared.idempotency import Attempt, Created


@creation(batches.NewBatch, failure="Failed to create batch")
def main(caller: Caller, batch: batches.NewBatch, attempt: Attempt) -> Created[Mapping[str, object]]:
    return batches.create(caller, batch, attempt)
