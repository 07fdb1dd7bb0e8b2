"""What the functions about campaigns answer: for types and for the OpenAPI document.

Nothing imports this while a function runs, as with batch_answers.
"""

from datetime import datetime
from typing import Any, NotRequired
from uuid import UUID

from typing_extensions import TypedDict

from shared.batch_answers import BatchPage


class Campaign(TypedDict):
    """A group of batches, with what its batches take from it.

    What `retry` leaves out has its default. `calling_hours` is not there where none were given, which leaves them to
    the default; null turns them off.
    """

    id: UUID
    name: str
    retry: dict[str, Any] | None
    created_by: UUID | None
    created_at: datetime
    calling_hours: NotRequired[dict[str, Any] | None]


class CampaignList(TypedDict):
    """A page of an agency's campaigns, newest first."""

    campaigns: list[Campaign]
    pagination: BatchPage
