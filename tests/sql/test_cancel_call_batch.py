from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sql.checks import assert_sound

if TYPE_CHECKING:
    from tests.sql.world import World


@pytest.mark.parametrize("status", ["draft", "scheduled", "pending", "processing", "paused"])
def test_cancelling_skips_everybody_who_waits(world: World, status: str) -> None:
    batch_id = world.batch_in(status)

    answer = world.cancel(batch_id)

    assert answer == {
        "success": True,
        "batch_id": str(batch_id),
        "status": "cancelled",
        "contacts_skipped": 3,
        "message": "Batch cancelled. In-progress calls will complete but no new calls will be initiated.",
        "hang_up_calls": [],
        "agency_id": str(world.agency.id),
    }
    batch = world.batch(batch_id)
    assert (batch["status"], batch["error_message"], batch["paused_at"]) == ("cancelled", "Cancelled by user", None)
    assert batch["completed_at"] is not None
    for contact in world.contacts(batch_id):
        assert (contact["status"], contact["outcome_notes"]) == ("skipped", "Batch cancelled")
    assert world.events(batch_id=batch_id, event="cancelled")[0]["actor"] == str(world.agency.owner)
    assert world.claim() == []
    assert_sound(world.connection)


def test_cancelling_counts_the_claimed_it_releases_and_not_those_skipped_before(world: World) -> None:
    batch_id = world.processing(5)
    dialing = world.dial(1)
    claimed = world.claim(2)
    world.set("campaign_contacts", world.contacts(batch_id)[4]["id"], status="skipped", reason="Asked not to be called",
              reason_at=world.time(), completed_at=world.time(), next_attempt_at=None)  # fmt: skip

    answer = world.cancel(batch_id)

    assert answer["contacts_skipped"] == 3
    assert [world.call(one)["status"] for one in claimed] == ["not_placed"] * 2
    assert world.call(dialing[0])["status"] == "dialing"
    assert world.begin(claimed) == []
    assert (world.batch(batch_id)["skipped"], world.batch(batch_id)["in_progress"]) == (4, 1)
    assert_sound(world.connection)


def test_only_calls_that_somebody_answered_are_named_for_hanging_up(world: World) -> None:
    answered = world.call_in("answered", contacts=3)
    world.accept(world.dial(1))

    answer = world.cancel(world.call(answered)["batch_id"])

    assert answer["hang_up_calls"] == [world.call(answered)["ultravox_call_id"]]


def test_calls_in_progress_settle_end_and_count_and_the_batch_stays_cancelled(world: World) -> None:
    batch_id = world.processing(4)
    talked, missed, refused, throttled = world.dial()
    world.accept([talked, missed])
    world.cancel(batch_id)

    world.finish(talked, talk_seconds=30)
    world.finish(missed)
    world.settle(refused, "number_refused", reason="not a number")
    world.settle(throttled, "throttled", retry_after_seconds=5)

    batch = world.batch(batch_id)
    assert (batch["status"], batch["completed"], batch["failed"], batch["skipped"]) == ("cancelled", 1, 1, 2)
    assert batch["in_progress"] == 0
    assert world.contact_of(missed)["outcome_notes"] == "Batch cancelled"
    assert world.contact_of(missed)["outcome"] == "no_answer"
    assert_sound(world.connection)
