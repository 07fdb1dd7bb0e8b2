"""What the provider says of a call, as its documentation shapes it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

if TYPE_CHECKING:
    from collections.abc import Mapping

    Json = dict[str, Any]
    Payloads = dict[str, Json]

ROUND = ("started", "joined", "ended", "billed")


def answered(call: Mapping[str, Any], ultravox_call_id: UUID | None = None, talk_seconds: float = 42) -> Payloads:
    """The four payloads of a call that somebody answered, by the event they come with."""
    joined = began(call) + timedelta(seconds=5)
    ended = joined + timedelta(seconds=talk_seconds)
    started = base(call, ultravox_call_id)
    with_join = started | {"joined": stamp(joined)}
    with_end = with_join | {"ended": stamp(ended), "endReason": "hangup", "billingStatus": "BILLING_STATUS_PENDING"}
    bill = {"billingStatus": "BILLING_STATUS_BILLED", "billedDuration": "48s", "shortSummary": "They talked."}
    return dict(zip(ROUND, (started, with_join, with_end, with_end | bill), strict=True))


def unanswered(call: Mapping[str, Any], ultravox_call_id: UUID | None = None, sip: str | None = None) -> Payloads:
    """The payloads of a call that nobody answered; `sip` is the last word of a sipDetails.terminationReason."""
    started = base(call, ultravox_call_id)
    if sip:
        started |= {"sipDetails": {"terminationReason": f"SIP_TERMINATION_{sip}"}}
    end = {"ended": stamp(began(call) + timedelta(seconds=30)), "endReason": "unjoined"}
    bill = {"billingStatus": "BILLING_STATUS_FREE_ZERO_EFFECTIVE_DURATION"}
    return {"started": started, "ended": started | end, "billed": started | end | bill}


def base(call: Mapping[str, Any], ultravox_call_id: UUID | None = None) -> Json:
    """What the POST's own answer carries."""
    return {
        "callId": str(ultravox_call_id or uuid4()),
        "created": stamp(began(call)),
        "joined": None,
        "ended": None,
        "endReason": None,
        "billingStatus": "BILLING_STATUS_PENDING",
        "medium": {"twilio": {"outgoing": {"to": call["to_number"], "from": call["from_number"]}}},
        "metadata": {
            "agency_id": call["agency_id"],
            "batch_id": call["batch_id"],
            "contact_id": call["contact_id"],
            "call_id": call["id"],
            "to_number": call["to_number"],
        },
    }


def began(call: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(call["began_at"] or call["created_at"])


def stamp(time: datetime) -> str:
    return time.isoformat()
