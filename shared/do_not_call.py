"""Numbers that an agency never dials: put there by its users, or by a person during a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from pydantic import Field

from shared import inputs, webhooks
from shared.contacts import PhoneNumber, Text
from shared.database import rpc, rpc_as
from shared.errors import BadRequestError
from shared.idempotency import Created
from shared.inputs import Input, PageCursor, PageLength

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.auth import Caller
    from shared.do_not_call_answers import AddedNumbers, ListedNumbers, OptedOut, RemovedNumbers
    from shared.idempotency import Attempt

MAX_LIST_LIMIT = 1000

PhoneNumbers = Annotated[list[PhoneNumber], Field(min_length=1, max_length=10_000)]


class NumbersToAdd(Input):
    """Numbers to dial no more, and why."""

    phone_numbers: PhoneNumbers
    reason: Text | None = None


class NumbersToRemove(Input):
    """Numbers that may be dialled again."""

    phone_numbers: PhoneNumbers


class ListQuery(Input):
    """A page of the list: the newest, or those after a cursor."""

    limit: PageLength = 100
    cursor: PageCursor | None = None


class OptOut(Input):
    """What the agent's tool sends: the call that is going on, by the provider's id or by ours.

    `metadata` is the call's own. It names the call where the provider's answer to our request was lost, and its id is
    not known to us.
    """

    call_id: UUID
    metadata: dict[str, Any] | None = None
    reason: Text | None = None


def add(caller: Caller, numbers: NumbersToAdd, attempt: Attempt) -> Created[AddedNumbers]:
    """Put numbers on the list, and take who waits at them out of every batch. After it no call to them begins.

    Raises ForbiddenError, ConflictError and UnprocessableError (idempotency).
    """
    params = {
        "p_user_id": caller.user_id,
        "p_phone_numbers": _distinct(numbers.phone_numbers),
        "p_reason": numbers.reason,
        "p_once": attempt.once,
    }
    # Not repeatable: after a lost answer the second one would say that all were listed before.
    answer = rpc("add_to_do_not_call", params, repeatable=False)
    return Created(answer, answer.pop("replayed", False))


def remove(caller: Caller, numbers: NumbersToRemove) -> RemovedNumbers:
    """Take numbers off the list; contacts that were skipped stay so.

    Raises ForbiddenError, ConflictError (people at them are still being skipped).
    """
    params = {"p_user_id": caller.user_id, "p_phone_numbers": _distinct(numbers.phone_numbers)}
    return rpc("remove_from_do_not_call", params, repeatable=False)


def fetch_page(caller: Caller, query: ListQuery) -> ListedNumbers:
    """A page of the agency's list, newest first. Raises ForbiddenError."""
    params = {"p_limit": min(query.limit, MAX_LIST_LIMIT), "p_cursor": query.cursor}
    return rpc_as(caller, "list_do_not_call", params)


def opt_out(agency: str, headers: Mapping[str, str], body: bytes) -> OptedOut:
    """Put the person who is being called on the list of the agency in the path; a repeat answers the same.

    Signed as an event is, or as the provider signs a request of a call's own (`webhooks.CALL_HEADER`); that signature
    covers the id of the call alone, so the body must name the same one.
    Raises UnauthorizedError (as an event does), PayloadTooLargeError, BadRequestError, NotFoundError.
    """
    call_id = headers.get(webhooks.CALL_HEADER)
    if call_id is None:
        agency_id = webhooks.signing_agency(agency, headers, body)
    else:
        agency_id = webhooks.signing_agency(agency, headers, call_id.encode(), webhooks.OF_A_CALL)
    asked = inputs.validate(OptOut, inputs.parse_json(body))
    if call_id not in (None, str(asked.call_id)):
        raise BadRequestError("call_id must be that of the call that was signed")
    params = {"p_agency_id": agency_id, "p_call_id": asked.call_id, "p_metadata": asked.metadata}
    return rpc("opt_out", {**params, "p_reason": asked.reason})


def _distinct(numbers: list[str]) -> list[str]:
    return list(dict.fromkeys(numbers))
