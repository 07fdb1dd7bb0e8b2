"""What the functions about campaigns answer: for types and for the OpenAPI document.

Nothing imports this while a function runs, as with batch_answers.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from typing_extensions import TypedDict

from shared.batch_answers import BatchPage


class Campaign(TypedDict):
    """A group of batches; `retry` and `calling_hours` are what was given, null: the product's own defaults."""

    id: UUID
    name: str
    calling_hours: dict[str, Any] | None
    retry: dict[str, Any] | None
    created_by: UUID | None
    created_at: datetime


class CampaignList(TypedDict):
    """A page of an agency's campaigns, newest first."""

    campaigns: list[Campaign]
    pagination: BatchPage
