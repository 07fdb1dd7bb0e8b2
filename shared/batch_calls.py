"""Batch calls: the same batches as in batches.py, for programs that hold an API key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import storage
from shared.batch_call_bodies import (
    BatchCall,
    BatchCalls,
    DeletedBatchCall,
    Tasks,
    instant,
    outward,
    page_of,
    shown,
    task_state,
)
from shared.database import rpc
from shared.telemetry import logger

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.batch_call_bodies import BatchCallChanges, BatchCallQuery, BatchCallReference, TaskQuery

MAX_LIMIT = 100


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
        remove_tasks(answer["tasks_object"])
    return DeletedBatchCall(batch_call_id=outward(answer["id"]))


def _batch_call(function: str, caller: Caller, batch: BatchCallReference, **more: object) -> BatchCall:
    params = {**caller.credentials, "p_batch_id": batch.batch_call_id, **more}
    return BatchCall(**shown(rpc(function, params, repeatable=function == "get_batch_call")))


def remove_tasks(tasks_object: str) -> None:
    """Throw a list away that no batch has any more; what is left over is unreadable to anybody."""
    try:
        storage.remove(tasks_object)
    except storage.StorageError:
        logger.warning("a list was left over", exc_info=True)
