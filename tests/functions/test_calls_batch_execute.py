from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.calling import call, twice_at_once
from tests.factories import batch_body

if TYPE_CHECKING:
    from uuid import UUID

    from tests.calling import Reply
    from tests.sql.world import World

NOT_A_DRAFT = "Batch is not a draft (only draft batches can be executed)"


def draft(token: str, world: World, **more: object) -> str:
    made = call("calls-batch-create", token, body=batch_body(world.agency, status="draft", **more)).body  # pyright: ignore[reportArgumentType]
    assert made["status"] == "draft"
    return made["batch_id"]


def execute(token: str, batch_id: UUID | str) -> Reply:
    return call("calls-batch-execute", token, body={"batch_id": str(batch_id)})


def test_a_draft_waits_for_being_executed_and_then_starts_with_the_next_run(owner: str, world: World) -> None:
    batch_id = draft(owner, world)
    world.start()
    assert world.claim() == []
    assert world.batch(batch_id)["status"] == "draft"

    reply = execute(owner, batch_id)

    assert (reply.status, reply.body) == (
        200,
        {
            "success": True,
            "batch_id": batch_id,
            "status": "pending",
            "scheduled_for": None,
            "message": "Batch executed. The processor will start making calls on the next run.",
        },
    )
    world.start()
    assert (world.batch(batch_id)["status"], world.batch(batch_id)["queued"]) == ("processing", 3)


def test_a_draft_whose_time_is_to_come_is_scheduled(owner: str, world: World) -> None:
    batch_id = draft(owner, world, scheduled_for="2099-01-16T09:00:00Z")

    reply = execute(owner, batch_id)

    assert (reply.body["status"], reply.body["scheduled_for"]) == ("scheduled", "2099-01-16T09:00:00Z")
    assert reply.body["message"] == "Batch scheduled to start at 2099-01-16T09:00:00Z"
    world.start()
    assert world.batch(batch_id)["status"] == "scheduled"


def test_a_draft_whose_time_has_passed_meanwhile_starts_now(owner: str, world: World) -> None:
    batch_id = draft(owner, world, scheduled_for="2099-01-16T09:00:00Z")
    world.set("call_batches", batch_id, scheduled_for=world.time(-3600))  # pyright: ignore[reportArgumentType]

    assert execute(owner, batch_id).body["status"] == "pending"


def test_the_trail_says_who_executed_it(owner: str, world: World) -> None:
    batch_id = draft(owner, world)

    execute(owner, batch_id)

    (event,) = world.events(batch_id=batch_id, event="executed")
    assert event["actor"] == str(world.agency.owner)


@pytest.mark.parametrize("status", ["scheduled", "pending", "processing", "paused", "completed", "failed", "cancelled"])
def test_what_is_no_draft_is_not_executed(owner: str, world: World, status: str) -> None:
    batch_id = world.batch_in(status)
    before = world.snapshot()

    reply = execute(owner, batch_id)

    assert (reply.error, reply.body["code"]) == ((400, NOT_A_DRAFT), "batch_not_draft")
    assert world.snapshot() == before


def test_of_two_at_once_one_executes(owner: str, world: World) -> None:
    replies = twice_at_once(execute, owner, world.batch_in("draft"))

    assert sorted(reply.status for reply in replies) == [200, 400]
