"""What may be said of a new batch, wherever its contacts come from."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from shared.calling_hours import HasCallingHours
from shared.inputs import Input, Number, Text, Whole, iso_time

E164 = re.compile(r"\+[1-9][0-9]{6,14}")


def _in_e164(number: str) -> str:
    if not E164.fullmatch(number):
        raise ValueError("must be in E.164 form, such as +12135550123")
    return number


def _instant(value: object) -> datetime:
    time = iso_time(value)
    if time.tzinfo is None:
        raise ValueError("must have a UTC offset, such as 2030-01-16T09:00:00Z or 2030-01-16T09:00:00-05:00")
    return time


CallerId = Annotated[
    str,
    AfterValidator(_in_e164),
    Field(
        description="An active number of the agency, in E.164 form.",
        examples=["+12135550123"],
        json_schema_extra={"pattern": f"^{E164.pattern}$"},
    ),
]
Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    Field(description="ISO 8601 with a UTC offset; up to 5 minutes ago means now.", examples=["2030-01-16T09:00:00Z"]),
]

EndTime = Annotated[
    datetime,
    BeforeValidator(_instant),
    Field(
        description="ISO 8601 with a UTC offset, after the start; who is left then is skipped.",
        examples=["2030-01-16T21:00:00Z"],
    ),
]


class Retry(Input):
    """When somebody who was not reached is called again. What is left out comes from the campaign, or the default."""

    max_attempts: Annotated[Whole, Field(ge=1, le=11)] | None = None
    delay_minutes: Annotated[Number, Field(ge=0, le=10_080)] | None = None
    growth: Annotated[Number, Field(ge=1, le=10)] | None = None
    on: list[Literal["no_answer", "busy", "dropped", "error"]] | None = None


class BatchOptions(HasCallingHours):
    """What may be said of a new batch and need not be. What the plan allows and whether a time lies in the past is for
    the database to say: a body that is repeated must mean the same as before."""

    calls_per_minute: Annotated[Whole, Field(ge=1, le=100_000)] = 30
    max_concurrent: Annotated[Whole, Field(ge=1, le=100_000)] = 10
    scheduled_for: Instant | None = None
    ends_at: EndTime | None = None
    name: Text | None = None
    retry: Retry | None = None


def options(batch: BatchOptions) -> dict[str, Any]:
    """A batch without its contacts, as the database is told of it."""
    given = batch.model_dump(exclude={"contacts", "retry"})
    return {**given, "retry": batch.retry and batch.retry.model_dump(exclude_none=True)}
