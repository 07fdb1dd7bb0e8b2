"""Call batches: what may be asked about one, and the one function of the database that answers."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from shared import crash_points
from shared.calling_hours import HasCallingHours
from shared.contacts import Contact, Text, one_per_number
from shared.database import rpc, rpc_as
from shared.idempotency import Created
from shared.inputs import Input, Number, PageLength, PageStart, Whole, iso_time

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.batch_answers import (
        AppendedContacts,
        BatchDetail,
        BatchList,
        CancelledBatch,
        CreatedBatch,
        ExecutedBatch,
        PausedBatch,
        ResumedBatch,
    )
    from shared.idempotency import Attempt

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
MAX_LIST_LIMIT = 100
MAX_CONTACT_LIMIT = 200

BatchStatus = Literal["draft", "pending", "scheduled", "processing", "paused", "completed", "failed", "cancelled"]
ContactStatus = Literal["pending", "queued", "in_progress", "completed", "failed", "skipped"]


def _in_e164(number: str) -> str:
    if not E164.fullmatch(number):
        raise ValueError("must be in E.164 form, such as +12135550123")
    return number


def _instant(value: object) -> datetime:
    time = iso_time(value)
    if time.tzinfo is None:
        raise ValueError("must have a UTC offset, such as 2030-01-16T09:00:00Z or 2030-01-16T09:00:00-05:00")
    return time


Contacts = Annotated[list[Contact], Field(min_length=1, max_length=10_000)]
CallerId = Annotated[
    str,
    AfterValidator(_in_e164),
    Field(
        description="An active number of the agency, in E.164 form.",
        examples=["+12135550123"],
        json_schema_extra={"pattern": f"^{E164.pattern}$"},
    ),
]
Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    Field(description="ISO 8601 with a UTC offset; up to 5 minutes ago means now.", examples=["2030-01-16T09:00:00Z"]),
]

EndTime = Annotated[
    datetime,
    BeforeValidator(_instant),
    Field(
        description="ISO 8601 with a UTC offset, after the start; who is left then is skipped.",
        examples=["2030-01-16T21:00:00Z"],
    ),
]


class Retry(Input):
    """When somebody who was not reached is called again. What is left out comes from the campaign, or the default."""

    max_attempts: Annotated[Whole, Field(ge=1, le=11)] | None = None
    delay_minutes: Annotated[Number, Field(ge=0, le=10_080)] | None = None
    growth: Annotated[Number, Field(ge=1, le=10)] | None = None
    on: list[Literal["no_answer", "busy", "dropped", "error"]] | None = None


class BatchOptions(HasCallingHours):
    """What may be said of a new batch and need not be. What the plan allows and whether a time lies in the past is for
    the database to say: a body that is repeated must mean the same as before."""

    calls_per_minute: Annotated[Whole, Field(ge=1, le=100_000)] = 30
    max_concurrent: Annotated[Whole, Field(ge=1, le=100_000)] = 10
    scheduled_for: Instant | None = None
    ends_at: EndTime | None = None
    name: Text | None = None
    retry: Retry | None = None


class NewBatch(BatchOptions):
    """A batch to create."""

    agent_mapping_id: UUID
    from_number: CallerId
    campaign_id: UUID
    contacts: Contacts
    status: Literal["draft"] | None = None  # a draft is not dialled before it is executed


class BatchReference(Input):
    """A batch that exists."""

    batch_id: UUID


class MoreContacts(BatchReference):
    """People to call beside those that a batch has."""

    contacts: Contacts


class Cancellation(BatchReference):
    """The batch to cancel, and whether to end the conversations that are going on."""

    hang_up: Annotated[bool, Field(strict=True)] = False


class BatchQuery(Input):
    """Which of the agency's batches to list."""

    status: BatchStatus | None = None
    campaign_id: UUID | None = None
    limit: PageLength = 25
    offset: PageStart = 0


class ContactQuery(BatchReference):
    """Which of a batch's contacts to show: a page by offset, or the one after a cursor."""

    contact_status: ContactStatus | None = None
    contact_limit: PageLength = 50
    contact_offset: PageStart = 0
    contact_cursor: PageStart | None = None

    @model_validator(mode="after")
    def _one_way_to_page(self) -> Self:
        if {"contact_offset", "contact_cursor"} <= self.model_fields_set:
            raise ValueError("Send contact_offset or contact_cursor, not both")
        return self


def create(caller: Caller, batch: NewBatch, attempt: Attempt) -> Created[CreatedBatch]:
    """Store a batch with its contacts and return the body of the 201.

    Raises ForbiddenError, BadRequestError (beyond the agency's plan, or in the past), ConflictError and
    UnprocessableError (idempotency), NotFoundError (agent, campaign or from_number).
    """
    given = options(batch) | _list(batch.contacts)
    params = {"p_user_id": caller.user_id, "p_batch": given, "p_once": attempt.once}
    answer = rpc("create_call_batch", params, repeatable=False)
    return Created(answer, answer.pop("replayed", False))


def append(caller: Caller, more: MoreContacts, attempt: Attempt) -> Created[AppendedContacts]:
    """Add people to a batch that is not final, after those that it has; they are dialled in their turn.

    Raises ForbiddenError, NotFoundError, BadRequestError (a final batch), ConflictError and UnprocessableError
    (idempotency).
    """
    batch = {"p_user_id": caller.user_id, "p_batch_id": more.batch_id}
    crash_points.reach("append_asked")
    answer = rpc(
        "append_call_contacts", {**batch, "p_list": _list(more.contacts), "p_once": attempt.once}, repeatable=False
    )
    crash_points.reach("append_stored")
    return Created(answer, answer.pop("replayed", False))


def options(batch: BatchOptions) -> dict[str, Any]:
    """A batch without its contacts, as the database is told of it."""
    given = batch.model_dump(exclude={"contacts", "retry"})
    return {**given, "retry": batch.retry and batch.retry.model_dump(exclude_none=True)}


def _list(contacts: list[Contact]) -> dict[str, Any]:
    once = one_per_number(contacts)
    return {
        "contacts": [contact.stored() for contact in once],
        "duplicates_removed": len(contacts) - len(once),
    }


def fetch_many(caller: Caller, query: BatchQuery) -> BatchList:
    """A page of the agency's batches, newest first. Raises ForbiddenError for a user without an agency."""
    params = {
        "p_status": query.status,
        "p_campaign_id": query.campaign_id,
        "p_limit": min(query.limit, MAX_LIST_LIMIT),
        "p_offset": query.offset,
    }
    return rpc_as(caller, "list_call_batches", params)


def fetch_one(caller: Caller, query: ContactQuery) -> BatchDetail:
    """A batch with a page of its contacts. Raises ForbiddenError, NotFoundError."""
    params = {
        "p_batch_id": query.batch_id,
        "p_contact_status": query.contact_status,
        "p_contact_limit": min(query.contact_limit, MAX_CONTACT_LIMIT),
        "p_contact_offset": query.contact_offset,
        "p_contact_cursor": query.contact_cursor,
    }
    return rpc_as(caller, "get_call_batch", params)


def execute(caller: Caller, batch: BatchReference) -> ExecutedBatch:
    """Start a draft, now or at its time. Raises ForbiddenError, NotFoundError, BadRequestError."""
    return _change("execute_call_batch", caller, batch)


def pause(caller: Caller, batch: BatchReference) -> PausedBatch:
    """Start no more calls of a processing or scheduled batch. Raises ForbiddenError, NotFoundError, BadRequestError."""
    return _change("pause_call_batch", caller, batch)


def resume(caller: Caller, batch: BatchReference) -> ResumedBatch:
    """Let a paused batch go on. Raises ForbiddenError, NotFoundError, BadRequestError."""
    return _change("resume_call_batch", caller, batch)


def cancel(caller: Caller, batch: Cancellation) -> CancelledBatch:
    """End a batch for good and, with hang_up, its conversations. Raises ForbiddenError, NotFoundError, BadRequestError.

    The batch is cancelled before anybody is hung up on: what the provider does not take adds to no `calls_hung_up`.
    """
    answer = _change("cancel_call_batch", caller, batch)
    agency_id, live = UUID(answer.pop("agency_id")), answer.pop("hang_up_calls")
    if batch.hang_up:
        from shared.ultravox import hang_up_calls  # what no other user-facing function needs, none of them loads

        answer["calls_hung_up"] = hang_up_calls(agency_id, live)
    return answer


def _change(function: str, caller: Caller, batch: BatchReference) -> Any:
    params = {"p_user_id": caller.user_id, "p_batch_id": batch.batch_id}
    # Not repeatable: after a lost answer the second one would say that the batch is in the wrong state.
    return rpc(function, params, repeatable=False)
