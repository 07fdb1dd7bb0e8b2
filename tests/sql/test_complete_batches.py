from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sql.checks import assert_sound
from tests.sql.world import BATCH_STATES, World

if TYPE_CHECKING:
    from uuid import UUID


def complete(world: World, batch_id: UUID) -> None:
    world.verb("complete_batches", p_batch_ids=[batch_id])


@pytest.mark.parametrize("status", BATCH_STATES)
def test_completing_does_not_change_a_batch_with_people_to_call_that_is(world: World, status: str) -> None:
    batch_id = world.batch_in(status)
    before = world.snapshot()

    complete(world, batch_id)

    assert world.snapshot() == before


@pytest.mark.parametrize("status", ["draft", "scheduled", "pending", "paused", "failed", "cancelled"])
def test_completing_does_not_change_an_empty_batch_that_did_not_start_or_was_closed(world: World, status: str) -> None:
    batch_id = world.create([], scheduled_for=world.time(600))
    if status == "paused":
        world.pause(batch_id)
    elif status in ("failed", "cancelled"):
        world.set("call_batches", batch_id, status=status, completed_at=world.time(), error_message="why")
    else:
        world.set("call_batches", batch_id, status=status)
    before = world.snapshot()

    complete(world, batch_id)

    assert world.snapshot() == before


@pytest.mark.parametrize("how", ["answered", "failed", "refused"])
def test_a_batch_completes_with_its_last_contact_and_once(world: World, how: str) -> None:
    batch_id = world.processing(2, retry={"max_attempts": 1})
    first, last = world.dial()
    world.accept([first])
    world.finish(first, talk_seconds=20)
    assert world.batch(batch_id)["status"] == "processing"

    if how == "refused":
        world.settle(last, "number_refused", reason="no")
    else:
        world.accept([last])
        world.finish(last, talk_seconds=20 if how == "answered" else None)

    batch = world.batch(batch_id)
    assert (batch["status"], batch["completed_at"] is not None) == ("completed", True)
    assert len(world.events(batch_id=batch_id, event="completed")) >= 1
    before = world.snapshot()
    complete(world, batch_id)
    assert world.snapshot() == before
    assert_sound(world.connection)


def test_a_batch_with_a_retry_to_come_is_not_complete(world: World) -> None:
    call_id = world.call_in("ringing")

    world.finish(call_id)

    assert world.batch(world.call(call_id)["batch_id"])["status"] == "processing"


def test_the_constraints_refuse_a_completed_batch_with_somebody_left(world: World) -> None:
    import psycopg

    batch_id = world.processing(1)

    with (
        pytest.raises(psycopg.errors.CheckViolation, match="completed_means_nothing_left"),
        world.connection.transaction(),
    ):
        world.set("call_batches", batch_id, status="completed", completed_at=world.time())
