"""PATCH /batch-call/{batch_call_id}: change a batch call that has not started, or its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import batch_call_bodies as bodies
from shared import batch_calls
from shared.envelope import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller


@endpoint(
    "PATCH",
    bodies.BatchCallChanges,
    others=("GET", "DELETE"),
    success="Batch call updated successfully",
    failure="Failed to update batch call",
)
def main(caller: Caller, batch: bodies.BatchCallChanges) -> bodies.BatchCall:
    return batch_calls.update(caller, batch)
