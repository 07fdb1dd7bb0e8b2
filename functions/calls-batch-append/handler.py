"""POST /calls-batch-append: add people to a batch that is not final, also while it is being dialled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import new_batches
from shared.people import creation

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.batch_answers import AppendedContacts
    from shared.idempotency import Attempt, Created


@creation(new_batches.MoreContacts, status=200, failure="Failed to add contacts to the batch")
def main(caller: Caller, more: new_batches.MoreContacts, attempt: Attempt) -> Created[AppendedContacts]:
    return new_batches.append(caller, more, attempt)
