"""GET /batch-call/list: the agency's batch calls, a page at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import batch_call_bodies as bodies
from shared import batch_calls
from shared.envelope import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller


@endpoint(
    "GET",
    bodies.BatchCallQuery,
    success="Batch calls retrieved successfully",
    failure="Failed to retrieve batch calls",
)
def main(caller: Caller, query: bodies.BatchCallQuery) -> bodies.BatchCalls:
    return batch_calls.fetch_many(caller, query)
