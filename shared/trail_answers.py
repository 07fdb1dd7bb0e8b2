"""What calls-batch-contact answers. Nothing imports this while a function runs; see batch_answers.py."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field
from typing_extensions import TypedDict

from shared.batch_answers import BatchContact, Count, Outcome
from shared.batches import BatchStatus


class ContactHours(TypedDict):
    """The calling hours that hold for a contact: open in all of its time zones, now or from `opens_at`."""

    time_zones: list[str]
    opens_at: datetime | None
    closes_at: datetime | None


class TrailContact(BatchContact):
    """The contact; `hours` is null where none hold."""

    batch_id: UUID
    hours: ContactHours | None


class TrailBatch(TypedDict):
    """The contact's batch, as far as it bears on the contact."""

    id: UUID
    name: str | None
    status: BatchStatus
    error_message: str | None
    scheduled_for: datetime | None
    waiting_until: datetime | None


class TrailCall(TypedDict):
    """One attempt to reach the contact."""

    id: UUID
    attempt: Annotated[int, Field(ge=1)]
    status: Literal["claimed", "dialing", "unknown", "ringing", "answered", "ended", "not_placed"]
    outcome: Outcome | None
    reason: str | None
    ultravox_call_id: UUID | None
    duration_seconds: Count | None
    summary: str | None
    began_at: datetime | None
    accepted_at: datetime | None
    joined_at: datetime | None
    ended_at: datetime | None


class TrailEvent(TypedDict):
    """One decision: `detail` names the rule and until when it holds; `of_contact` false: about the whole batch."""

    at: datetime
    event: str
    reason: str | None
    detail: dict[str, Any]
    of_contact: bool
    call_id: UUID | None
    actor: UUID | None


class ContactTrail(TypedDict):
    """A contact with its calls and every decision, oldest first; `why` says in words where it stands."""

    why: str
    now: datetime
    contact: TrailContact
    batch: TrailBatch
    calls: list[TrailCall]
    events: list[TrailEvent]
