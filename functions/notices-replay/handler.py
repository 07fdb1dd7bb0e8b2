"""POST /notices-replay: send a notice once more, or all failed ones of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import notices
from shared.people import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.notice_answers import ReplayedNotices


@endpoint("POST", notices.Replay, writes=True, failure="Failed to replay notices")
def main(caller: Caller, given: notices.Replay) -> ReplayedNotices:
    return notices.replay(caller, given)
