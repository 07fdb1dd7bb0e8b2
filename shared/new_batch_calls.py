"""A batch call with its tasks, for programs that hold an API key: what they send, and how it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from uuid import uuid4

from pydantic import Field, model_validator
from pydantic_core import to_json

from shared import crash_points, storage
from shared.batch_call_bodies import (
    OF_NUMBERS_WITHOUT,
    AccessInfo,
    AgentId,
    CreatedBatchCall,
    Timestamp,
    instant,
    shown,
)
from shared.batch_calls import remove_tasks
from shared.batch_options import CallerId
from shared.contacts import CustomData
from shared.database import rpc
from shared.errors import AppError, DatabaseError
from shared.idempotency import Created
from shared.inputs import Input, Text, Whole
from shared.phone_numbers import PhoneNumber, zones_of_number
from shared.time_zones import TimeZone

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.idempotency import Attempt


class Task(Input):
    """One person to call, what the agent may know of them, and how often they may be called again."""

    to_number: PhoneNumber
    dynamic_variables: CustomData | None = None
    max_retries: Annotated[Whole, Field(ge=0, le=10, description="Calls after the first.")] | None = None


class NewBatchCall(Input):
    """A batch call to create."""

    from_number: CallerId
    tasks: Annotated[list[Task], Field(min_length=1, max_length=1000)]
    agent_id: AgentId
    name: Text | None = None
    trigger_timestamp: Timestamp | None = None
    timezone: Annotated[TimeZone, Field(description=OF_NUMBERS_WITHOUT)] = "UTC"
    status: Literal["draft", "scheduled", "sent"] | None = None
    send_now: Annotated[bool, Field(strict=True, description="Wins over trigger_timestamp.")] = False

    @model_validator(mode="after")
    def _each_number_once(self) -> Self:
        first: dict[str, int] = {}
        for index, task in enumerate(self.tasks):
            if task.to_number == self.from_number:
                raise ValueError(f"tasks[{index}].to_number must not be the from_number")
            earlier = first.setdefault(task.to_number, index)
            if earlier != index:
                raise ValueError(f"tasks[{earlier}] and tasks[{index}] have the same to_number")
        return self


def create(caller: Caller, batch: NewBatchCall, attempt: Attempt) -> Created[CreatedBatchCall]:
    """Store a batch call. Its tasks go into object storage first: what the database has stored can be read in full.

    Raises UnauthorizedError, BadRequestError, ConflictError, UnprocessableError, NotFoundError, StorageError.
    """
    batch_id = uuid4()
    tasks_object = f"batch-calls/{batch_id}/tasks.json"
    storage.put_json(tasks_object, to_json([task.model_dump(exclude_none=True) for task in batch.tasks]))
    crash_points.reach("tasks_stored")
    given = {
        "id": batch_id,
        "tasks_object": tasks_object,
        "session_id": attempt.request_id,
        "agent_mapping_id": batch.agent_id,
        "scheduled_for": instant(batch.trigger_timestamp),
        "contacts": [contact(task) for task in batch.tasks],
        **batch.model_dump(include={"from_number", "name", "timezone", "status", "send_now"}),
    }
    params = {**caller.credentials, "p_batch": given, "p_once": attempt.once}
    try:
        answer = rpc("create_batch_call", params, repeatable=False)
    except DatabaseError:
        raise  # it may be stored after all
    except AppError:
        remove_tasks(tasks_object)
        raise
    if answer["tasks_object"] != tasks_object:
        remove_tasks(tasks_object)
    access_info = AccessInfo(user_id=answer["created_by"], session_id=answer["session_id"])
    return Created(CreatedBatchCall(**shown(answer), access_info=access_info), answer.get("replayed", False))


def contact(task: Task) -> dict[str, Any]:
    """A task as a contact; where its number has no time zone, the batch's counts."""
    attempts = None if task.max_retries is None else task.max_retries + 1
    given: dict[str, Any] = {
        "phone_number": task.to_number,
        "custom_data": task.dynamic_variables,
        "max_attempts": attempts,
    }
    given["time_zones"] = zones_of_number(task.to_number) or None
    return {name: value for name, value in given.items() if value is not None}
