"""POST /do-not-call-add: put numbers on the do-not-call list, and take who waits at them out of every batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import do_not_call
from shared.people import creation

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.do_not_call_answers import AddedNumbers
    from shared.idempotency import Attempt, Created


@creation(do_not_call.NumbersToAdd, failure="Failed to add to the do-not-call list")
def main(caller: Caller, numbers: do_not_call.NumbersToAdd, attempt: Attempt) -> Created[AddedNumbers]:
    return do_not_call.add(caller, numbers, attempt)
