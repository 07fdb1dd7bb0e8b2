"""What the functions about notices answer, for types and for the OpenAPI document.

Nothing imports this while a function runs. A time is ISO 8601 in UTC with `Z`.
"""

from datetime import datetime
from uuid import UUID

from typing_extensions import TypedDict

from shared.batch_answers import Count
from shared.notices import NoticeEvent, NoticeStatus


class NoticeEndpoint(TypedDict):
    """Where an agency is told. `previous_secret_until`: until then the secret before this one signs as well."""

    url: str
    events: list[NoticeEvent]
    active: bool
    disabled_reason: str | None
    previous_secret_until: datetime | None
    updated_at: datetime


class NoticeEndpointSet(NoticeEndpoint):
    """The endpoint as it is now, with its `secret` where it was made by this request: it is not shown again."""

    secret: str | None


class Notice(TypedDict):
    """One notice. `last_answer` is the HTTP status of the latest attempt, null where none came."""

    id: UUID
    event: NoticeEvent
    batch_id: UUID
    contact_id: UUID | None
    status: NoticeStatus
    attempts: Count
    next_attempt_at: datetime | None
    last_answer: int | None
    last_error: str | None
    created_at: datetime
    finished_at: datetime | None


class NoticePage(TypedDict):
    """`next_cursor` is the `cursor` of the page after this one."""

    limit: Count
    has_more: bool
    next_cursor: str | None


class NoticeList(TypedDict):
    """The endpoint, null where there is none, and a page of the agency's notices, newest first."""

    endpoint: NoticeEndpoint | None
    notices: list[Notice]
    pagination: NoticePage


class ReplayedNotices(TypedDict):
    """How many notices wait to be sent once more."""

    replayed: Count
