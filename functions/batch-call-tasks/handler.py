"""GET /batch-call/{batch_call_id}/tasks: what became of each task, a page at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import batch_call_bodies as bodies
from shared import batch_calls
from shared.envelope import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller


@endpoint("GET", bodies.TaskQuery, success="Tasks retrieved successfully", failure="Failed to retrieve tasks")
def main(caller: Caller, query: bodies.TaskQuery) -> bodies.Tasks:
    return batch_calls.fetch_tasks(caller, query)
