"""What calls-batch-export, calls-batch-redial and person-erase answer. As batch_answers.py: nothing loads this while a
function runs."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field
from typing_extensions import TypedDict

from shared.batch_answers import Count, Forecast


class Export(TypedDict):
    """A CSV file and the link that reads it until `expires_at`.

    `next_cursor` is null when it holds the batch to its end; otherwise it is the `cursor` of the file after it.
    """

    url: str
    expires_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    rows: Count
    next_cursor: Count | None


class Redial(TypedDict):
    """A new draft with the contacts of another batch that were not reached; of a program's it has no campaign."""

    batch_id: UUID
    status: Literal["draft"]
    total_contacts: Count
    duplicates_removed: Count
    skipped: Count
    agent_mapping_id: UUID
    agent_name: str
    campaign_id: UUID | None
    campaign_name: str | None
    from_number: str
    calls_per_minute: Count
    max_concurrent: Count
    scheduled_for: datetime | None
    created_at: datetime
    forecast: Forecast
    redial_of: UUID


class Changed(TypedDict):
    """How many rows and objects held the person. `notes` are answers, messages and failures that named the number."""

    contacts: Count
    calls: Count
    events: Count
    do_not_call: Count
    notes: Count
    objects: Count


class ErasedPerson(TypedDict):
    """A person who is forgotten: the hash that now stands where the number stood, and what that changed."""

    success: Literal[True]
    number_hash: Annotated[str, Field(pattern="^erased:[0-9a-f]{64}$")]
    changed: Changed
