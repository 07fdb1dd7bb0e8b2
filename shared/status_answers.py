"""What `health` and `status` answer, for types and for the OpenAPI document.

Nothing imports this while a function runs. A time is ISO 8601 in UTC with `Z`.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from shared.batch_answers import Count

Seconds = Annotated[float, Field(ge=0)]


class Health(TypedDict):
    """The version that answers, and the newest migration of its database."""

    status: Literal["ok"]
    version: str
    schema_version: str


class ProcessorRun(TypedDict):
    """The last run of a processor that has ended; `age_seconds` is how long ago that was.

    The outcome of one that has never run is `never`, and its times are null.
    """

    processor: str
    started_at: datetime | None
    ended_at: datetime | None
    outcome: Literal["succeeded", "failed", "never"]
    age_seconds: Seconds | None


class Status(TypedDict):
    """How the processors are, and what is out for the caller's agency.

    A live call holds a slot; of an unknown one nobody knows yet whether it was placed: the provider is asked.
    `oldest_unsettled_seconds` is how long that has been so for the oldest call, null when there is none. Every
    processor is listed.
    """

    processors: list[ProcessorRun]
    live_calls: Count
    unknown_calls: Count
    oldest_unsettled_seconds: Seconds | None
