"""DELETE /batch-call/{batch_call_id}: hide a draft, or a batch call that has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import batch_call_bodies as bodies
from shared import batch_calls
from shared.envelope import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller


@endpoint(
    "DELETE",
    bodies.BatchCallReference,
    others=("GET", "PATCH"),
    success="Batch call deleted successfully",
    failure="Failed to delete batch call",
)
def main(caller: Caller, batch: bodies.BatchCallReference) -> bodies.DeletedBatchCall:
    return batch_calls.delete(caller, batch)
