"""POST /calls-batch-redial: a new draft with a batch's contacts that were not reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import results
from shared.people import creation

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.idempotency import Attempt, Created
    from shared.result_answers import Redial


@creation(results.RedialRequest, failure="Failed to create batch")
def main(caller: Caller, batch: results.RedialRequest, attempt: Attempt) -> Created[Redial]:
    return results.redial(caller, batch, attempt)
