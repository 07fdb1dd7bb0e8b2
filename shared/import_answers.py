"""What the functions about lists that come as files answer, for types and for the OpenAPI document.

Nothing imports this while a function runs. A time is ISO 8601 in UTC with `Z`.
"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field
from typing_extensions import TypedDict

from shared.batch_answers import Count


class CreatedImport(TypedDict):
    """Where the file goes: `PUT` it to `upload_url` with `Content-Type: text/csv` before `expires_at`."""

    batch_id: UUID
    import_id: UUID
    upload_url: str
    expires_at: datetime


class ContactImport(TypedDict):
    """A list and how far it is. A row was added, had a number that the batch has already, was invalid, or is about a
    person who was erased since the file was asked for (`erased`): that one is neither stored nor called.

    Of those added, `skipped` will not be dialled. `columns` says what each column of the file was read as. The report
    is a CSV with a line for each fault: row, column, problem, what to do; its link is good for an hour.
    """

    import_id: UUID
    batch_id: UUID
    status: Literal["pending", "in_progress", "completed", "failed"]
    progress_percent: Annotated[float, Field(ge=0, le=100)]
    rows_read: Count
    added: Count
    skipped: Count
    duplicates_skipped: Count
    invalid: Count
    erased: Count
    columns: dict[str, str] | None
    report_rows: Count | None
    report_url: str | None
    expires_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    error_message: str | None
