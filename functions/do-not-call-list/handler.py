"""GET /do-not-call-list: the agency's do-not-call list, newest first, with who, when and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import do_not_call
from shared.people import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.do_not_call_answers import ListedNumbers


@endpoint("GET", do_not_call.ListQuery, failure="Failed to fetch the do-not-call list from the database")
def main(caller: Caller, query: do_not_call.ListQuery) -> ListedNumbers:
    return do_not_call.fetch_page(caller, query)
