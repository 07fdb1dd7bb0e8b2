"""POST /calls-batch-append: add people to a batch that is not final, also while it is being dialled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import batches
from shared.edge import creation

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.batch_answers import AppendedContacts
    from shared.idempotency import Attempt, Created


@creation(batches.MoreContacts, status=200, failure="Failed to add contacts to the batch")
def main(caller: Caller, more: batches.MoreContacts, attempt: Attempt) -> Created[AppendedContacts]:
    return batches.append(caller, more, attempt)
