"""Call batches that exist: what may be asked about one, and the one function of the database that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from shared.database import rpc, rpc_as
from shared.inputs import Input, PageLength, PageStart

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.batch_answers import (
        BatchDetail,
        BatchList,
        CancelledBatch,
        ExecutedBatch,
        PausedBatch,
        ResumedBatch,
    )

MAX_LIST_LIMIT = 100
MAX_CONTACT_LIMIT = 200

BatchStatus = Literal["draft", "pending", "scheduled", "processing", "paused", "completed", "failed", "cancelled"]
ContactStatus = Literal["pending", "queued", "in_progress", "completed", "failed", "skipped"]


class BatchReference(Input):
    """A batch that exists."""

    batch_id: UUID


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
