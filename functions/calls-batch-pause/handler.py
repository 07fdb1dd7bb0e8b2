"""POST /calls-batch-pause: start no more calls of a processing or scheduled batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import batches
from shared.edge import endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.auth import Caller


@endpoint("POST", batches.BatchReference, writes=True, failure="Failed to update batch status")
def main(caller: Caller, batch: batches.BatchReference) -> Mapping[str, object]:
    return batches.pause(caller, batch)
