"""What the functions about imports of past calls answer, for types and for the OpenAPI document.

Nothing imports this while a function runs. A time is ISO 8601 in UTC with `Z`.
"""

from datetime import datetime
from typing import Annotated, Literal, NotRequired
from uuid import UUID

from pydantic import Field
from typing_extensions import TypedDict

from shared.batch_answers import Count


class CreatedSync(TypedDict):
    """An import that the next run of the processor takes up."""

    job_id: UUID
    status: Literal["pending"]


class SyncJob(TypedDict):
    """An import and how far it is. Calls are counted page by page; `skipped_calls` were there already, unchanged."""

    id: UUID
    status: Literal["pending", "in_progress", "completed", "failed", "cancelled"]
    date_from: datetime | None
    date_to: datetime
    total_calls: Count | None
    processed_calls: Count
    imported_calls: Count
    updated_calls: Count
    skipped_calls: Count
    failed_calls: Count
    progress_percent: Annotated[float, Field(ge=0, le=100)]
    error_message: str | None
    started_at: datetime | None
    last_activity_at: datetime | None


class SyncStatus(TypedDict):
    """`job` is the import that is pending or in progress; without one, `recent_job` is the latest, if there was any."""

    active: bool
    job: NotRequired[SyncJob]
    recent_job: NotRequired[SyncJob | None]


class CancelledSync(TypedDict):
    """The import ends here; the calls that it has stored stay."""

    job_id: UUID
    status: Literal["cancelled"]
