"""What the provider tells us about a call: signed events, each stored and applied once."""

from __future__ import annotations

import hmac
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import BaseModel

from shared import crash_points, inputs
from shared.database import rpc
from shared.errors import BadRequestError, DatabaseError, UnauthorizedError
from shared.secrets import webhook_secrets
from shared.settings import settings
from shared.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TIMESTAMP_HEADER = "x-ultravox-webhook-timestamp"
SIGNATURE_HEADER = "x-ultravox-webhook-signature"
OF_AN_EVENT = (TIMESTAMP_HEADER, SIGNATURE_HEADER)
# With a call's `sharedSecrets` the provider signs the call's id instead of the body.
CALL_HEADER = "x-ultravox-call-id"
OF_A_CALL = ("x-ultravox-signature-timestamp", "x-ultravox-signature")
DATA_EXCEPTION = "22"  # the class of PostgreSQL's errors for a time that is none, a number out of range and the like
LOOK_AGAIN_SECONDS = 60
_looked_at: dict[UUID, float] = {}  # agencies that exist: as many as the database has
EVENTS = frozenset({"call.started", "call.joined", "call.ended", "call.billed"})


class EventCall(BaseModel):
    """The provider's call; all else that it says of it is kept as it came."""

    callId: UUID  # noqa: N815 - the provider's name


class Event(BaseModel):
    """As much of an event as we rely on; the provider may add to it at any time."""

    event: str
    call: EventCall


def receive(agency: str, headers: Mapping[str, str], body: bytes) -> None:
    """Take one event of the agency in the path; a repeat changes nothing.

    An event of a kind we do not know is signed and well-formed: it is logged and let go, since a refusal would only
    make the provider repeat it.
    Raises UnauthorizedError (unknown agency, no secret, wrong signature), PayloadTooLargeError, BadRequestError.
    """
    agency_id = signing_agency(agency, headers, body)
    given = inputs.parse_json(body)
    event = inputs.validate(Event, given).event
    if event in EVENTS:
        _ingest(agency_id, event, given["call"])
    else:
        logger.warning("an event of an unknown kind was let go", extra={"agency_id": agency, "event": event})


def signing_agency(
    agency: str, headers: Mapping[str, str], signed: bytes, names: tuple[str, str] = OF_AN_EVENT
) -> UUID:
    """The id of the agency in the path, once one of its secrets is found to have signed what was sent.

    `names` are those of the headers with the timestamp and the signature. Raises UnauthorizedError.
    """
    agency_id = _known_agency(agency)
    timestamp, signatures = (headers.get(name, "") for name in names)
    reason = _why_refused(webhook_secrets(agency_id), signed, timestamp, signatures)
    if reason and _may_look_again(agency_id):  # the secret may have been rotated since it was last read
        reason = _why_refused(webhook_secrets(agency_id, fresh=True), signed, timestamp, signatures)
    if reason:
        raise _refused(agency, reason)
    return agency_id


def _why_refused(secrets: Sequence[str], signed: bytes, timestamp: str, signatures: str) -> str | None:
    reasons = [why_refused(secret, signed, timestamp, signatures) for secret in secrets or (None,)]
    return reasons[0] if all(reasons) else None


def _may_look_again(agency_id: UUID) -> bool:
    """At most once in LOOK_AGAIN_SECONDS for an agency: whoever sends nonsense must not cost a look-up each time."""
    now = time.monotonic()
    if now - _looked_at.get(agency_id, float("-inf")) < LOOK_AGAIN_SECONDS:
        return False
    _looked_at[agency_id] = now
    return True


def why_refused(secret: str | None, body: bytes, timestamp: str, signatures: str) -> str | None:
    """The reason why an event is not the provider's, or None when it is.

    A signature is hex(HMAC-SHA256(secret, body + timestamp)); of several, separated by commas, any one may match.
    The timestamp is ISO 8601, in UTC unless it says otherwise, and no further from now than WEBHOOK_WINDOW_SECONDS.
    """
    if not secret:
        return "no secret is stored for the agency"
    expected = hmac.new(secret.encode(), body + timestamp.encode(), "sha256").hexdigest().encode()
    # Every signature is compared, and each in constant time.
    matches = [hmac.compare_digest(expected, signature.strip().encode()) for signature in signatures.split(",")]
    if not any(matches):
        return "no signature matches"
    return None if _is_recent(timestamp) else "the timestamp is not of now"


def _is_recent(timestamp: str) -> bool:
    try:
        signed_at = datetime.fromisoformat(timestamp)
    except ValueError:
        return False
    age = datetime.now(UTC) - (signed_at if signed_at.tzinfo else signed_at.replace(tzinfo=UTC))
    return abs(age.total_seconds()) <= settings().webhook_window_seconds


@lru_cache(maxsize=4096)
def _known_agency(agency: str) -> UUID:
    # Only agencies that exist are remembered, as a refusal is raised: one made a second ago is known at once.
    try:
        agency_id = UUID(agency)
    except ValueError:
        raise _refused(agency, "the path names no agency") from None
    if not rpc("webhook_agency_known", {"p_agency_id": agency_id}):
        raise _refused(agency, "there is no such agency")
    return agency_id


def _refused(agency: str, reason: str) -> UnauthorizedError:
    logger.warning("a webhook was refused", extra={"agency_id": agency[:36], "reason": reason})
    return UnauthorizedError("Missing or invalid signature")


def _ingest(agency_id: UUID, event: str, call: dict[str, Any]) -> None:
    crash_points.reach("event_verified")
    try:
        result = rpc("ingest_event", {"p_agency_id": agency_id, "p_event": event, "p_call": call})
    except DatabaseError as error:
        if not (error.sqlstate or "").startswith(DATA_EXCEPTION):
            raise
        # The provider repeats it for some hours, and reconciliation asks about the call; but the failure is not ours.
        logger.warning("an event could not be read", extra={"agency_id": str(agency_id), "reason": str(error)})
        raise BadRequestError("call holds a value that cannot be read") from error
    crash_points.reach("event_ingested")
    logger.info("an event was applied", extra={"agency_id": str(agency_id), "event": event, "result": result})
