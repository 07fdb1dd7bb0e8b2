"""POST /batch-call: store a list of people to call, for a program that holds an API key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import new_batch_calls
from shared.envelope import creation

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.batch_call_bodies import CreatedBatchCall
    from shared.idempotency import Attempt, Created


@creation(
    new_batch_calls.NewBatchCall,
    success="Batch call created successfully",
    failure="Failed to create batch call",
)
def main(caller: Caller, batch: new_batch_calls.NewBatchCall, attempt: Attempt) -> Created[CreatedBatchCall]:
    return new_batch_calls.create(caller, batch, attempt)
