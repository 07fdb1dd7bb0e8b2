"""What the functions about the do-not-call list answer: for types and for the OpenAPI document.

Nothing imports this while a function runs, as with batch_answers.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from typing_extensions import TypedDict

from shared.batch_answers import Count


class AddedNumbers(TypedDict):
    """How many numbers are new on the list, how many were there, and how many people are not called because of it.

    Of those people the first 2,000 are `skipped` at once, the others within the next minutes.
    """

    added: Count
    already_listed: Count
    contacts_skipped: Count


class RemovedNumbers(TypedDict):
    """How many of the numbers were on the list."""

    removed: Count


class ListedNumber(TypedDict):
    """A number that is never dialled: since when, why, and who said so, a user or the person in a call."""

    phone_number: str
    reason: str | None
    added_by: UUID | None
    call_id: UUID | None
    created_at: datetime


class ListPage(TypedDict):
    """Where in the list this page is; `next_cursor` is the `cursor` of the page after it."""

    limit: Count
    has_more: bool
    next_cursor: str | None


class ListedNumbers(TypedDict):
    """A page of an agency's do-not-call list, newest first."""

    numbers: list[ListedNumber]
    pagination: ListPage


class OptedOut(TypedDict):
    """The number is on the list; `message` is what the agent may say to the person."""

    success: Literal[True]
    message: str
