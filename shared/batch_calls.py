"""Batch calls: the same batches as in batches.py, for programs that hold an API key."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from pydantic_core import to_json

from shared import crash_points, storage
from shared.batch_call_bodies import (
    AccessInfo,
    BatchCall,
    BatchCalls,
    CreatedBatchCall,
    DeletedBatchCall,
    Tasks,
    contact,
    instant,
    outward,
    page_of,
    shown,
    task_state,
)
from shared.database import rpc
from shared.errors import AppError, DatabaseError
from shared.idempotency import Created
from shared.telemetry import logger

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.batch_call_bodies import BatchCallChanges, BatchCallQuery, BatchCallReference, NewBatchCall, TaskQuery
    from shared.idempotency import Attempt

MAX_LIMIT = 100


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
        _remove(tasks_object)
        raise
    if answer["tasks_object"] != tasks_object:
        _remove(tasks_object)
    access_info = AccessInfo(user_id=answer["created_by"], session_id=answer["session_id"])
    return Created(CreatedBatchCall(**shown(answer), access_info=access_info), answer.get("replayed", False))


def fetch_many(caller: Caller, query: BatchCallQuery) -> BatchCalls:
    """A page of the agency's batch calls. Raises UnauthorizedError."""
    limit = min(query.limit, MAX_LIMIT)
    page = {"p_limit": limit, "p_offset": query.page * limit}
    order = {"p_sort_by": query.sort_by, "p_ascending": query.sort_order == "asc"}
    answer = rpc("list_batch_calls", {**caller.credentials, **page, **order})
    batches = [BatchCall(**shown(row)) for row in answer["batches"]]
    return BatchCalls(batch_calls=batches, pagination=page_of(query.page, limit, answer["total"]))


def fetch_one(caller: Caller, batch: BatchCallReference) -> BatchCall:
    """One batch call. Raises UnauthorizedError, NotFoundError."""
    return _batch_call("get_batch_call", caller, batch)


def fetch_tasks(caller: Caller, query: TaskQuery) -> Tasks:
    """A page of a batch call's tasks, in the order of the list. Raises UnauthorizedError, NotFoundError."""
    limit = min(query.limit, MAX_LIMIT)
    params = {"p_batch_id": query.batch_call_id, "p_limit": limit, "p_offset": query.page * limit}
    answer = rpc("list_batch_call_tasks", {**caller.credentials, **params})
    tasks = [task_state(row) for row in answer["contacts"]]
    return Tasks(tasks=tasks, pagination=page_of(query.page, limit, answer["total"]))


def update(caller: Caller, batch: BatchCallChanges) -> BatchCall:
    """Change what is given. Raises UnauthorizedError, BadRequestError (also for a wrong state), NotFoundError."""
    may_be_null = {"name", "trigger_timestamp"}
    given = batch.model_dump(exclude_unset=True, exclude={"batch_call_id"})
    changes = {name: value for name, value in given.items() if value is not None or name in may_be_null}
    if "trigger_timestamp" in changes:
        changes["scheduled_for"] = instant(changes.pop("trigger_timestamp"))
    if "agent_id" in changes:
        changes["agent_mapping_id"] = changes.pop("agent_id")
    return _batch_call("update_batch_call", caller, batch, p_changes=changes)


def execute(caller: Caller, batch: BatchCallReference) -> BatchCall:
    """Start a draft or a scheduled one now. Raises UnauthorizedError, BadRequestError, NotFoundError."""
    return _batch_call("execute_batch_call", caller, batch)


def delete(caller: Caller, batch: BatchCallReference) -> DeletedBatchCall:
    """Hide a draft or what has ended for good. Raises UnauthorizedError, BadRequestError, NotFoundError."""
    params = {**caller.credentials, "p_batch_id": batch.batch_call_id}
    answer = rpc("delete_batch_call", params, repeatable=False)
    if answer["tasks_object"]:
        _remove(answer["tasks_object"])
    return DeletedBatchCall(batch_call_id=outward(answer["id"]))


def _batch_call(function: str, caller: Caller, batch: BatchCallReference, **more: object) -> BatchCall:
    params = {**caller.credentials, "p_batch_id": batch.batch_call_id, **more}
    return BatchCall(**shown(rpc(function, params, repeatable=function == "get_batch_call")))


def _remove(tasks_object: str) -> None:
    """Throw a list away that no batch has any more; what is left over is unreadable to anybody."""
    try:
        storage.remove(tasks_object)
    except storage.StorageError:
        logger.warning("a list was left over", exc_info=True)
