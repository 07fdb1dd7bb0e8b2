"""POST /batch-call: store a list of people to call, for a program that holds an API key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import batch_call_bodies as bodies
from shared import batch_calls
from shared.envelope import creation

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.idempotency import Attempt, Created


@creation(bodies.NewBatchCall, success="Batch call created successfully", failure="Failed to create batch call")
def main(caller: Caller, batch: bodies.NewBatchCall, attempt: Attempt) -> Created[bodies.CreatedBatchCall]:
    return batch_calls.create(caller, batch, attempt)
