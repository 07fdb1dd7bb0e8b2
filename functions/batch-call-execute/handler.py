"""POST /batch-call/{batch_call_id}/execute: start a draft or a scheduled batch call now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import batch_call_bodies as bodies
from shared import batch_calls
from shared.envelope import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller


@endpoint(
    "POST",
    bodies.BatchCallReference,
    success="Batch call executed successfully",
    failure="Failed to execute batch call",
)
def main(caller: Caller, batch: bodies.BatchCallReference) -> bodies.BatchCall:
    return batch_calls.execute(caller, batch)
