"""POST /do-not-call-remove: take numbers off the do-not-call list; contacts that were skipped stay so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import do_not_call
from shared.people import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.do_not_call_answers import RemovedNumbers


@endpoint("POST", do_not_call.NumbersToRemove, writes=True, failure="Failed to remove from the do-not-call list")
def main(caller: Caller, numbers: do_not_call.NumbersToRemove) -> RemovedNumbers:
    return do_not_call.remove(caller, numbers)
