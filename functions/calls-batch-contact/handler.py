"""GET /calls-batch-contact: one contact, its whole trail, and why it is where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import trails
from shared.people import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.trail_answers import ContactTrail


@endpoint("GET", trails.ContactReference, failure="Failed to fetch contact from the database")
def main(caller: Caller, query: trails.ContactReference) -> ContactTrail:
    return trails.fetch(caller, query)
