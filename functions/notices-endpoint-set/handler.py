"""POST /notices-endpoint-set: where the agency is told what became of its batches, and of which events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import notices
from shared.people import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.notice_answers import NoticeEndpointSet


@endpoint("POST", notices.NewNoticeEndpoint, writes=True, failure="Failed to store the notice endpoint")
def main(caller: Caller, given: notices.NewNoticeEndpoint) -> NoticeEndpointSet:
    return notices.set_endpoint(caller, given)
