"""GET /calls-batch-list: the agency's batches, newest first, a page at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import batches
from shared.people import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.batch_answers import BatchList


@endpoint("GET", batches.BatchQuery, failure="Failed to fetch batches from the database")
def main(caller: Caller, query: batches.BatchQuery) -> BatchList:
    return batches.fetch_many(caller, query)
