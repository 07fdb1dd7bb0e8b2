"""GET /batch-call/{batch_call_id}: one batch call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import batch_call_bodies as bodies
from shared import batch_calls
from shared.envelope import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller


@endpoint(
    "GET",
    bodies.BatchCallReference,
    others=("PATCH", "DELETE"),
    success="Batch call retrieved successfully",
    failure="Failed to retrieve batch call",
)
def main(caller: Caller, batch: bodies.BatchCallReference) -> bodies.BatchCall:
    return batch_calls.fetch_one(caller, batch)
