"""Numbers that an agency never dials, put there by its users; or by a person during a call: opt_outs.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from shared.database import rpc, rpc_as
from shared.idempotency import Created
from shared.inputs import Input, PageCursor, PageLength, Text
from shared.phone_numbers import PhoneNumber

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.do_not_call_answers import AddedNumbers, ListedNumbers, RemovedNumbers
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


def _distinct(numbers: list[str]) -> list[str]:
    return list(dict.fromkeys(numbers))
