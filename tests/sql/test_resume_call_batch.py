from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sql.checks import assert_sound

if TYPE_CHECKING:
    from tests.sql.world import World


def test_resuming_a_batch_that_was_processing_lets_it_go_on(world: World) -> None:
    batch_id = world.processing(2)
    started_at = world.batch(batch_id)["started_at"]
    world.pause(batch_id)
    world.set("call_batches", batch_id, error_message="The provider refuses the key")

    answer = world.resume(batch_id)

    assert answer == {
        "success": True,
        "batch_id": str(batch_id),
        "status": "processing",
        "message": "Batch resumed. The processor will start making calls on the next run.",
    }
    batch = world.batch(batch_id)
    assert (batch["status"], batch["paused_at"], batch["error_message"]) == ("processing", None, None)
    assert (batch["started_at"], batch["resumed_at"] > started_at) == (started_at, True)
    assert world.events(batch_id=batch_id, event="resumed")[0]["actor"] == str(world.agency.owner)
    assert len(world.claim()) == 2


def test_resuming_before_its_time_schedules_it_again(world: World) -> None:
    batch_id = world.create(1, scheduled_for="2031-01-16T09:00:00Z")
    world.pause(batch_id)

    answer = world.resume(batch_id)

    assert (answer["status"], answer["message"]) == (
        "scheduled",
        "Batch scheduled to resume at 2031-01-16T09:00:00Z",
    )
    batch = world.batch(batch_id)
    assert (batch["status"], batch["paused_at"], batch["started_at"]) == ("scheduled", None, None)
    assert world.contacts(batch_id)[0]["status"] == "pending"
    assert world.claim() == []


def test_a_batch_paused_while_scheduled_and_resumed_after_its_time_starts_properly(world: World) -> None:
    batch_id = world.create(2, scheduled_for=world.time(60))
    world.pause(batch_id)
    world.move_clock(120)

    assert world.resume(batch_id)["status"] == "processing"

    batch = world.batch(batch_id)
    assert (batch["queued"], batch["started_at"] is not None) == (2, True)
    assert len(world.claim()) == 2
    assert_sound(world.connection)


def test_a_batch_that_never_started_and_has_nobody_to_call_completes(world: World) -> None:
    batch_id = world.create([], scheduled_for=world.time(60))
    world.pause(batch_id)
    world.move_clock(120)

    world.resume(batch_id)

    assert world.batch(batch_id)["status"] == "completed"


def test_a_batch_begun_before_its_time_resumes_without_waiting_for_that_time(world: World) -> None:
    batch_id = world.processing(2)
    world.set("call_batches", batch_id, scheduled_for=world.time(3600))
    world.pause(batch_id)

    assert world.resume(batch_id)["status"] == "processing"
