"""GET /calls-batch-get: one batch with a page of its contacts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import batches
from shared.people import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.batch_answers import BatchDetail


@endpoint("GET", batches.ContactQuery, failure="Failed to fetch batch from the database")
def main(caller: Caller, query: batches.ContactQuery) -> BatchDetail:
    return batches.fetch_one(caller, query)
