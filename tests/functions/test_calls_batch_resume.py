from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.calling import call, twice_at_once

if TYPE_CHECKING:
    from uuid import UUID

    from tests.calling import Reply
    from tests.sql.world import World

NOT_PAUSED = "Batch is not paused (only paused batches can be resumed)"


def resume(token: str, batch_id: UUID | str) -> Reply:
    return call("calls-batch-resume", token, body={"batch_id": str(batch_id)})


def test_a_paused_batch_is_resumed_as_the_seed_says(owner: str, world: World) -> None:
    batch_id = world.batch_in("paused")

    reply = resume(owner, batch_id)

    assert (reply.status, reply.body) == (
        200,
        {
            "success": True,
            "batch_id": str(batch_id),
            "status": "processing",
            "message": "Batch resumed. The processor will start making calls on the next run.",
        },
    )
    batch = world.batch(batch_id)
    assert (batch["status"], batch["paused_at"], batch["error_message"]) == ("processing", None, None)


def test_a_batch_whose_time_is_still_to_come_is_scheduled_again(owner: str, world: World) -> None:
    batch_id = world.create(3, scheduled_for="2099-01-16T09:00:00Z")
    world.pause(batch_id)

    assert resume(owner, batch_id).body == {
        "success": True,
        "batch_id": str(batch_id),
        "status": "scheduled",
        "message": "Batch scheduled to resume at 2099-01-16T09:00:00Z",
    }


def test_a_batch_that_never_started_is_started_properly(owner: str, world: World) -> None:
    batch_id = world.batch_in("scheduled")
    world.pause(batch_id)
    world.set("call_batches", batch_id, scheduled_for=world.time(-60))

    assert resume(owner, batch_id).body["status"] == "processing"
    assert world.batch(batch_id)["started_at"]
    assert {contact["status"] for contact in world.contacts(batch_id)} == {"queued"}


@pytest.mark.parametrize("status", ["draft", "scheduled", "pending", "processing", "completed", "failed", "cancelled"])
def test_a_batch_in_any_other_state_is_not_resumed(owner: str, world: World, status: str) -> None:
    batch_id = world.batch_in(status)
    before = world.snapshot()

    reply = resume(owner, batch_id)

    assert reply.error == (400, NOT_PAUSED)
    assert reply.body["code"] == "batch_not_paused"
    assert world.snapshot() == before


def test_of_two_at_once_one_resumes_and_the_other_finds_it_processing(owner: str, world: World) -> None:
    batch_id = world.batch_in("paused")

    replies = twice_at_once(resume, owner, batch_id)

    assert sorted(reply.status for reply in replies) == [200, 400]
    assert [reply.body["error"] for reply in replies if reply.status == 400] == [NOT_PAUSED]
