"""A dial in the provider's words: what we send, and what each answer means (the table in docs/why.md, "Dialling")."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast
from uuid import UUID

from shared import provider_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import httpx

    from shared.settings import Settings

LONGEST_REASON = 500
LONGEST_WAIT_SECONDS = 900  # at most so long a Retry-After is kept

Result = Literal[
    "accepted",
    "number_refused",  # this number cannot be called
    "refused",  # our or the agency's configuration
    "throttled",
    "account_refused",  # nothing of this agency can be dialled until somebody acts
    "agent_gone",
    "unreachable",  # no connection: certainly nothing was sent
    "not_sent",  # its time had passed before it could be sent
    "unknown",  # anything else: the provider may have the call
]


class DialOrder(TypedDict):
    """One call to be dialled, as `claim_calls` answers it."""

    call_id: str
    agency_id: str
    batch_id: str
    contact_id: str
    to_number: str
    from_number: str
    provider: str
    sip_domain: str | None
    ultravox_agent_id: str
    max_duration_seconds: int
    recording_enabled: bool
    contact: dict[str, str | None]
    custom_data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DialResult:
    """What a dial came to, as `settle_dials` takes it."""

    call_id: str
    result: Result
    reason: str | None = None
    ultravox_call_id: str | None = None
    retry_after_seconds: float | None = None

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def call_request(order: DialOrder, webhook_secret: str | None, settings: Settings) -> dict[str, Any]:
    """The body of `POST /api/agents/{agent_id}/calls`.

    Without a webhook secret no callbacks are asked for: they could not be verified, and reconciliation learns the same.
    """
    body: dict[str, Any] = {
        "medium": {order["provider"]: {"outgoing": {"to": _destination(order), "from": order["from_number"]}}},
        "templateContext": {k: v for k, v in order["contact"].items() if v is not None} | order["custom_data"],
        "metadata": {
            "agency_id": order["agency_id"],
            "batch_id": order["batch_id"],
            "contact_id": order["contact_id"],
            "call_id": order["call_id"],
            "to_number": order["to_number"],
        },
        "joinTimeout": f"{settings.join_timeout_seconds:g}s",
        "maxDuration": f"{order['max_duration_seconds']}s",
        "recordingEnabled": order["recording_enabled"],
    }
    if webhook_secret:
        callback = {
            "url": f"{settings.functions_url}/webhook-ingest/{order['agency_id']}",
            "secrets": [webhook_secret],
        }
        body["callbacks"] = dict.fromkeys(("joined", "ended", "billed"), callback)
    return body


def _destination(order: DialOrder) -> str:
    if order["provider"] == "sip":  # SIP takes a URI, not a bare number
        return f"sip:{order['to_number']}@{order['sip_domain']}"
    return order["to_number"]


def read_answer(call_id: str, response: httpx.Response) -> DialResult:
    """What an answer to the POST means. An answer we cannot read means that the provider may have the call."""
    status = response.status_code
    if status == 201:
        return _accepted(call_id, response)
    body = _json(response)
    said = f"The provider answered {status}: {_text(response)}"
    if status in (400, 422):
        return DialResult(call_id, "number_refused" if names_the_number(body) else "refused", said)
    if status == 429 or (status == 503 and ("Retry-After" in response.headers or "detail" in body)):
        return DialResult(call_id, "throttled", said, retry_after_seconds=retry_after(response))
    if status in (401, 402, 403):
        return DialResult(call_id, "account_refused", f"{_what_to_fix(status)} ({said})")
    if status == 408 or status >= 500 or status < 300:
        return DialResult(call_id, "unknown", said)
    return DialResult(call_id, "refused", said)


def _accepted(call_id: str, response: httpx.Response) -> DialResult:
    try:
        return DialResult(call_id, "accepted", ultravox_call_id=str(UUID(_json(response)["callId"])))
    except (KeyError, ValueError, TypeError, AttributeError):
        return DialResult(call_id, "unknown", "The provider accepted a call but its answer names none")


def _what_to_fix(status: int) -> str:
    if status == 402:
        return "The provider's account cannot place calls: check its subscription, then resume the batch"
    return "The provider refused the agency's API key: store a valid one, then resume the batch"


def names_the_number(body: Mapping[str, Any]) -> bool:
    """Whether a 400's body complains of `medium … to`: the number, not our configuration."""
    return any(path[0] == "medium" and path[-1] == "to" for path in _paths(body) if path)


def _paths(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        for key, inner in cast("dict[object, object]", value).items():
            yield from _paths(inner, (*path, *str(key).split(".")))
    else:
        yield path


def retry_after(response: httpx.Response) -> float:
    """Seconds to wait: `Retry-After` in seconds, or its date against the answer's own `Date` (our clock may be wrong).

    Without either, about 5 s, spread so that not everybody comes back at once.
    """
    given = response.headers.get("Retry-After", "")
    if given.isdecimal():
        return min(float(given), LONGEST_WAIT_SECONDS)  # a number of any length: JSON knows no infinity
    until, now = _date(given), _date(response.headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds()) if until else random.uniform(5, 7.5)  # noqa: S311


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        body = provider_json.read(response.content)
    except ValueError:
        return {}
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}


def _text(response: httpx.Response) -> str:
    text = response.text.replace("\0", "")  # which no text of PostgreSQL can hold
    return text.strip()[:LONGEST_REASON] or "(nothing)"
