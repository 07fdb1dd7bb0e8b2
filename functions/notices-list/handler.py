"""GET /notices-list: the agency's notice endpoint and its notices, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import notices
from shared.people import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.notice_answers import NoticeList


@endpoint("GET", notices.NoticeQuery, failure="Failed to fetch notices from the database")
def main(caller: Caller, query: notices.NoticeQuery) -> NoticeList:
    return notices.fetch_page(caller, query)
