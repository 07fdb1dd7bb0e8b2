from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.calling import call
from tests.sql.importing import Import, past_calls
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.calling import Reply
    from tests.factories import Connection

NOT_FOUND = (404, "Sync job not found or does not belong to the user's agency")


def cancel(token: str, job_id: object) -> Reply:
    return call("cancel-historical-sync", token, body={"job_id": str(job_id)})


@pytest.mark.parametrize("make", [Import, Import.claimed], ids=["pending", "in progress"])
def test_an_active_job_is_cancelled_by_any_user(member: str, world: World, make: Callable[[World], Import]) -> None:
    job = make(world)

    reply = cancel(member, job.id)

    assert (reply.status, reply.body) == (200, {"job_id": str(job.id), "status": "cancelled"})
    assert job.row()["status"] == "cancelled"
    assert job.row()["completed_at"]


def test_what_was_imported_before_stays(member: str, world: World) -> None:
    job = Import.claimed(world)
    job.record(past_calls(2), then="more")

    cancel(member, job.id)

    assert len(world.all("calls")) == 2


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_job_that_is_over_cannot_be_cancelled(member: str, world: World, status: str) -> None:
    job = Import.claimed(world)
    ends: dict[str, Callable[[], object]] = {
        "completed": lambda: job.record([]),
        "failed": lambda: job.fail(final=True),
        "cancelled": job.cancel,
    }
    ends[status]()
    before = job.row()

    reply = cancel(member, job.id)

    assert reply.error == (400, "Sync job is not pending or in progress")
    assert (reply.body["code"], reply.body["current_status"]) == ("sync_job_not_cancellable", status)
    assert job.row() == before


def test_another_agencys_job_reads_as_one_that_does_not_exist(member: str, db: Connection) -> None:
    theirs = Import(World(db))

    for job_id in (theirs.id, uuid4()):
        reply = cancel(member, job_id)
        assert (reply.error, reply.body["code"]) == (NOT_FOUND, "sync_job_not_found")
    assert theirs.row()["status"] == "pending"


def test_a_job_that_is_not_named_is_a_bad_request(member: str) -> None:
    assert call("cancel-historical-sync", member, body={}).error == (400, "job_id is missing")
    assert cancel(member, "7").error == (400, "job_id must be a UUID")
