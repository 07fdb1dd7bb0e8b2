"""Notices: what an agency's own system is told, in the form of Standard Webhooks; where, and what became of it.

The secret with which an endpoint's notices are signed is shown once. The database has a seed of it, which is worth
nothing without the service key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from secrets import token_hex
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, Field

from shared.database import rpc, rpc_as
from shared.inputs import Input, PageLength, PageStart
from shared.settings import settings

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.notice_answers import NoticeEndpointSet, NoticeList, ReplayedNotices

NoticeEvent = Literal[
    "batch.started", "batch.paused", "batch.completed", "batch.failed", "batch.cancelled", "contact.finished"
]
NoticeStatus = Literal["waiting", "delivered", "failed"]
EVENTS: tuple[NoticeEvent, ...] = (
    "batch.started",
    "batch.paused",
    "batch.completed",
    "batch.failed",
    "batch.cancelled",
    "contact.finished",
)
MOST_SHOWN = 100
SECRET_PREFIX = "whsec_"  # noqa: S105 - of the Standard Webhooks text


def receiver_url(url: str) -> str:
    """The URL, where it can be one of a receiver. Raises ValueError, as validators do."""
    problem = "must be an http(s) URL" if settings().notices_allow_http else "must be an https URL"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(problem) from None
    schemes = {"https", "http"} if settings().notices_allow_http else {"https"}
    if parts.scheme not in schemes or not parts.hostname or port == 0 or not url.isascii() or not url.isprintable():
        raise ValueError(problem)
    if parts.username is not None or parts.fragment:
        raise ValueError("must have neither a user's name nor a fragment")
    return url


class NewNoticeEndpoint(Input):
    """Where an agency wants to be told, and of what. `rotate_secret`: a new secret; the old one signs for a day."""

    url: Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(receiver_url)]
    events: Annotated[
        list[NoticeEvent], Field(min_length=1, max_length=len(EVENTS), default_factory=lambda: list(EVENTS))
    ]
    active: Annotated[bool, Field(strict=True)] = True
    rotate_secret: Annotated[bool, Field(strict=True)] = False


class NoticeQuery(Input):
    """Which notices to show, newest first."""

    status: NoticeStatus | None = None
    batch_id: UUID | None = None
    limit: PageLength = 50
    cursor: PageStart | None = None


class Replay(Input):
    """All failed notices of a batch or, with `notice_id`, one of its notices that was delivered or failed."""

    batch_id: UUID
    notice_id: UUID | None = None


def set_endpoint(caller: Caller, endpoint: NewNoticeEndpoint) -> NoticeEndpointSet:
    """Store the agency's one endpoint; `secret` is null unless it was made now. Raises ForbiddenError."""
    seed = token_hex(32)
    secret = secret_of(seed)
    answer: Any = rpc(
        "set_notice_endpoint",
        {
            "p_user_id": caller.user_id,
            "p_url": endpoint.url,
            "p_events": sorted(set(endpoint.events)),
            "p_active": endpoint.active,
            "p_rotate": endpoint.rotate_secret,
            "p_seed": seed,
            "p_secret_hash": hashed(secret),
        },
        repeatable=not endpoint.rotate_secret,  # twice, it would make an end of the secret that is in use
    )
    answer["secret"] = secret if answer.pop("secret_seed") == seed else None
    return answer


def fetch_page(caller: Caller, query: NoticeQuery) -> NoticeList:
    """The endpoint and a page of notices. Raises ForbiddenError."""
    params = {
        "p_status": query.status,
        "p_batch_id": query.batch_id,
        "p_limit": min(query.limit, MOST_SHOWN),
        "p_cursor": query.cursor,
    }
    return rpc_as(caller, "list_notices", params)


def replay(caller: Caller, wanted: Replay) -> ReplayedNotices:
    """Send again what is final. Raises ForbiddenError, NotFoundError, BadRequestError without an active endpoint."""
    params = {"p_user_id": caller.user_id, "p_notice_id": wanted.notice_id, "p_batch_id": wanted.batch_id}
    return rpc("replay_notices", params)


def secret_of(seed: str) -> str:
    """The secret that belongs to a seed: 256 bits, as Standard Webhooks writes them."""
    service_key = settings().supabase_service_role_key.get_secret_value()
    key = hmac.digest(service_key.encode(), f"notice-secret:{seed}".encode(), "sha256")
    return SECRET_PREFIX + base64.b64encode(key).decode()


def hashed(secret: str) -> str:
    """What the database keeps of a secret, in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()
