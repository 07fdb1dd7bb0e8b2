"""The batch-call contract: what programs send and are shown, and its names, ids and states beside our own."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from shared import storage
from shared.inputs import Input, PageLength, PageStart, Text, Whole
from shared.time_zones import TimeZone

BATCH_CALL_ID = re.compile(r"batch_call_([0-9a-f]{32})")
AGENT_ID = re.compile(r"agent_([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})")
OF_NUMBERS_WITHOUT = "An IANA name: the time zone of the numbers that have none."
LAST_MILLISECOND = 253_402_300_799_999  # of the year 9999

STATES = {
    "draft": "draft",
    "scheduled": "scheduled",
    "pending": "sent",
    "processing": "sent",
    "paused": "sent",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "failed",
}
TASK_STATES = {
    "pending": "PENDING",
    "queued": "PENDING",
    "in_progress": "CALLING",
    "completed": "COMPLETED",
    "failed": "FAILED",
    "skipped": "FAILED",
}


def _batch_id(value: object) -> UUID:
    match = BATCH_CALL_ID.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be batch_call_ and 32 hexadecimal digits")
    return UUID(match[1])


def _agent_mapping_id(value: object) -> object:
    match = AGENT_ID.fullmatch(value) if isinstance(value, str) else None
    if value is not None and match is None:
        raise ValueError("must be agent_ and a UUID")
    return match and UUID(match[1])


def _milliseconds(time: datetime | None) -> int | None:
    return time and round(time.timestamp() * 1000)


BatchCallId = Annotated[
    UUID,
    BeforeValidator(_batch_id, json_schema_input_type=str),
    Field(json_schema_extra={"type": "string", "format": None, "pattern": f"^{BATCH_CALL_ID.pattern}$"}),
]
AgentId = Annotated[
    UUID,
    BeforeValidator(_agent_mapping_id, json_schema_input_type=str),
    Field(description="`agent_` and the agent's UUID.", json_schema_extra={"pattern": f"^{AGENT_ID.pattern}$"}),
]
Timestamp = Annotated[Whole, Field(ge=0, le=LAST_MILLISECOND, description="Unix time in milliseconds.")]
Milliseconds = Annotated[datetime, PlainSerializer(_milliseconds, return_type=int)]


class BatchCallReference(Input):
    """A batch call that exists."""

    batch_call_id: BatchCallId


class BatchCallChanges(BatchCallReference):
    """What to change of a batch call; what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    name: Text | None = None
    trigger_timestamp: Timestamp | None = None
    agent_id: AgentId | None = None
    timezone: Annotated[TimeZone, Field(description=OF_NUMBERS_WITHOUT)] | None = None
    status: Literal["draft", "scheduled", "sent"] | None = None
    send_now: Annotated[bool, Field(strict=True)] | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.model_fields_set <= {"batch_call_id"}:
            raise ValueError("Send at least one field to change")
        return self


class BatchCallQuery(Input):
    """Which of the agency's batch calls to list."""

    page: PageStart = 0
    limit: PageLength = 20
    sort_by: Literal["created_at", "updated_at", "name"] = "created_at"
    sort_order: Literal["asc", "desc"] = "desc"


class TaskQuery(BatchCallReference):
    """Which of a batch call's tasks to list."""

    page: PageStart = 0
    limit: PageLength = 50


class BatchCall(BaseModel):
    """A batch call. Times are Unix milliseconds; `sent` counts those called at least once, `completed` the finished."""

    batch_call_id: str
    name: str | None
    from_number: str
    scheduled_timestamp: Milliseconds | None
    total_task_count: int
    total: int
    sent: int
    picked_up: int
    completed: int
    agent_id: str
    organization_id: str
    status: Literal["draft", "scheduled", "sent", "completed", "failed"]
    timezone: str
    last_sent_timestamp: Milliseconds | None
    tasks_url: str | None
    created_timestamp: Milliseconds


class AccessInfo(BaseModel):
    """Who made the API key (null once they are gone), and the request with which the batch call was created."""

    user_id: str | None
    session_id: str


class CreatedBatchCall(BatchCall):
    """A batch call as the answer to its creation shows it."""

    access_info: AccessInfo


class Page(BaseModel):
    """Where a page lies among all there are."""

    page: int
    limit: int
    total: int
    has_more: bool


class BatchCalls(BaseModel):
    """A page of batch calls."""

    batch_calls: list[BatchCall]
    pagination: Page


class TaskState(BaseModel):
    """What became of a task."""

    task_id: UUID
    to_number: str
    status: Literal["PENDING", "CALLING", "COMPLETED", "FAILED"]
    call_id: UUID | None
    error_message: str | None
    created_at: datetime


class Tasks(BaseModel):
    """A page of a batch call's tasks."""

    tasks: list[TaskState]
    pagination: Page


class DeletedBatchCall(BaseModel):
    """What was deleted."""

    batch_call_id: str


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the database in the words of the contract."""
    return {
        "batch_call_id": outward(row["id"]),
        "name": row["name"],
        "from_number": row["from_number"],
        "scheduled_timestamp": row["scheduled_for"],
        "total_task_count": row["total_contacts"],
        "total": row["total_contacts"],
        "sent": row["called"],
        "picked_up": row["answered"],
        "completed": row["finished"],
        "agent_id": f"agent_{row['agent_mapping_id']}",
        "organization_id": row["organization_id"],
        "status": STATES[row["status"]],
        "timezone": row["timezone"],
        "last_sent_timestamp": row["last_called_at"],
        "tasks_url": row["tasks_object"] and storage.link(row["tasks_object"]),
        "created_timestamp": row["created_at"],
    }


def task_state(contact: dict[str, Any]) -> TaskState:
    """A contact as a task."""
    status = TASK_STATES[contact["status"]]
    return TaskState(
        task_id=contact["id"],
        to_number=contact["phone_number"],
        status=status,  # pyright: ignore[reportArgumentType]
        call_id=contact["call_id"],
        error_message=contact["reason"] if status == "FAILED" else None,
        created_at=contact["created_at"],
    )


def page_of(page: int, limit: int, total: int) -> Page:
    """Where this page lies."""
    return Page(page=page, limit=limit, total=total, has_more=(page + 1) * limit < total)


def outward(batch_id: str) -> str:
    """A batch's id as programs know it."""
    return f"batch_call_{UUID(batch_id).hex}"


def instant(milliseconds: int | None) -> datetime | None:
    """The time that a client gave in milliseconds."""
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
