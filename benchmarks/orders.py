"""The provider's request for one call, as the dialler makes it, for those who post without the dialler."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from tests.factories import FROM_NUMBER

if TYPE_CHECKING:
    from shared.dials import DialOrder


def order(number: str, agent_id: str, batch_id: str) -> DialOrder:
    """What `claim_calls` would answer for a contact of whom only the number is known."""
    return {
        "call_id": str(uuid4()),
        "agency_id": str(uuid4()),
        "batch_id": batch_id,
        "contact_id": str(uuid4()),
        "to_number": number,
        "from_number": FROM_NUMBER,
        "provider": "twilio",
        "sip_domain": None,
        "ultravox_agent_id": agent_id,
        "max_duration_seconds": 600,
        "recording_enabled": False,
        "contact": {"phone_number": number},
        "custom_data": {},
    }


def agents_path(agent_id: str) -> str:
    """Where the calls of an agent are created."""
    return f"/api/agents/{agent_id}/calls"


def headers(key: str) -> dict[str, str]:
    return {"X-API-Key": key, "Content-Type": "application/json"}
