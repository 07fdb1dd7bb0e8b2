"""Call batches with a list of people: made, and added to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from shared import crash_points
from shared.batch_options import BatchOptions, CallerId, options
from shared.batches import BatchReference
from shared.contacts import Contact, one_per_number
from shared.database import rpc
from shared.idempotency import Created

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.batch_answers import AppendedContacts, CreatedBatch
    from shared.idempotency import Attempt

Contacts = Annotated[list[Contact], Field(min_length=1, max_length=10_000)]


class NewBatch(BatchOptions):
    """A batch to create."""

    agent_mapping_id: UUID
    from_number: CallerId
    campaign_id: UUID
    contacts: Contacts
    status: Literal["draft"] | None = None  # a draft is not dialled before it is executed


class MoreContacts(BatchReference):
    """People to call beside those that a batch has."""

    contacts: Contacts


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


def _list(contacts: list[Contact]) -> dict[str, Any]:
    once = one_per_number(contacts)
    return {
        "contacts": [contact.stored() for contact in once],
        "duplicates_removed": len(contacts) - len(once),
    }
