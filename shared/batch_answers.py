"""What the functions about batches answer: the shapes that the database builds, for types and for the OpenAPI document.

Nothing imports this while a function runs: the answers pass through it unread, and it costs no cold start.
A time is ISO 8601 in UTC with `Z`.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired
from uuid import UUID

from pydantic import Field
from typing_extensions import TypedDict

from shared.batches import BatchStatus, ContactStatus

Count = Annotated[int, Field(ge=0)]
Outcome = Literal["answered", "no_answer", "busy", "rejected", "invalid_number", "dropped", "error", "unknown"]


class Forecast(TypedDict):
    """When everybody will have been called at the earliest, retries not counted, and which limit decides.

    `cannot_finish`: not while the batch is paused, not before its `ends_at`, or not within 60 days.
    """

    earliest_completion: datetime | None
    limited_by: Literal["calls_per_minute", "max_concurrent", "agency_limit", "calling_hours", "cannot_finish"]


class CreatedBatch(TypedDict):
    """A new batch: what is left of the list, and when it starts."""

    batch_id: UUID
    status: Literal["draft", "pending", "scheduled"]
    total_contacts: Count
    duplicates_removed: Count
    skipped: Count
    agent_mapping_id: UUID
    agent_name: str
    campaign_id: UUID
    campaign_name: str
    from_number: str
    calls_per_minute: Count
    max_concurrent: Count
    scheduled_for: datetime | None
    created_at: datetime
    forecast: Forecast


class AppendedContacts(TypedDict):
    """What became of a list: `added` are stored, of which `skipped` will not be dialled; the rest the batch had."""

    batch_id: UUID
    added: Count
    duplicates_skipped: Count
    skipped: Count
    total_contacts: Count


class Batch(TypedDict):
    """A batch and how far it is. `pending` contacts wait for the start; `queued` ones may be dialled."""

    id: UUID
    agency_id: UUID
    campaign_id: UUID | None
    campaign_name: str | None
    agent_mapping_id: UUID
    agent_name: str
    name: str | None
    from_number: str
    status: BatchStatus
    total_contacts: Count
    pending: Count
    queued: Count
    in_progress: Count
    completed: Count
    failed: Count
    skipped: Count
    progress_percentage: Annotated[float, Field(ge=0, le=100)]
    remaining_count: Count
    calls_per_minute: Count
    max_concurrent: Count
    scheduled_for: datetime | None
    waiting_until: datetime | None
    error_message: str | None
    created_by: UUID | None
    created_at: datetime
    started_at: datetime | None
    paused_at: datetime | None
    completed_at: datetime | None
    ends_at: datetime | None
    redial_of: UUID | None


class BatchPage(TypedDict):
    """Where in a list this page is."""

    total: Count
    limit: Count
    offset: Count
    has_more: bool


class BatchList(TypedDict):
    """A page of an agency's batches, newest first."""

    batches: list[Batch]
    pagination: BatchPage


class BatchContact(TypedDict):
    """One person of a batch's list, and why they were or were not reached."""

    id: UUID
    phone_number: str
    first_name: str | None
    last_name: str | None
    email: str | None
    company: str | None
    title: str | None
    status: ContactStatus
    reason: str | None
    reason_at: datetime | None
    call_id: UUID | None
    attempts: Count
    max_attempts: Annotated[int, Field(ge=1, le=11)]
    outcome: Outcome | None
    outcome_notes: str | None
    duration_seconds: Count | None
    next_attempt_at: datetime | None
    last_attempt_at: datetime | None
    completed_at: datetime | None
    custom_data: dict[str, Any]
    do_not_call: bool
    timezone: str | None
    created_at: datetime


class Actor(TypedDict):
    """A user or an API key, as they were called when they acted; an API key has no email."""

    type: Literal["user", "api_key"]
    id: UUID
    name: str | None
    email: str | None


class BatchEvent(TypedDict):
    """What befell a whole batch. `who` is null where nobody asked for it: the processor or a rule did it."""

    at: datetime
    event: str
    reason: str | None
    who: Actor | None


class ContactPage(BatchPage):
    """Where in a batch's list this page is; `next_cursor` is the `contact_cursor` of the page after it."""

    next_cursor: str | None


class BatchDetail(TypedDict):
    """One batch, its history (oldest first, the latest 100) and a page of its contacts in the order they were sent."""

    batch: Batch
    forecast: Forecast | None
    history: list[BatchEvent]
    contacts: list[BatchContact]
    contact_pagination: ContactPage


class ExecutedBatch(TypedDict):
    """A draft that is one no more: it starts at its time or, where that is null, as soon as the processor runs."""

    success: Literal[True]
    batch_id: UUID
    status: Literal["pending", "scheduled"]
    scheduled_for: datetime | None
    message: str


class PausedBatch(TypedDict):
    """A batch that starts no more calls; `in_progress` counts those that may reach the provider or have."""

    success: Literal[True]
    batch_id: UUID
    status: Literal["paused"]
    paused_at: datetime
    in_progress: Count
    message: str


class ResumedBatch(TypedDict):
    """A batch that goes on, at once or at its time."""

    success: Literal[True]
    batch_id: UUID
    status: Literal["scheduled", "processing"]
    message: str


class CancelledBatch(TypedDict):
    """A batch that has ended for good; `calls_hung_up` is there where `hang_up` was asked for."""

    success: Literal[True]
    batch_id: UUID
    status: Literal["cancelled"]
    contacts_skipped: Count
    message: str
    calls_hung_up: NotRequired[Count]
