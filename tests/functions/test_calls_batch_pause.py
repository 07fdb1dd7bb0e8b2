from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.calling import call, twice_at_once

if TYPE_CHECKING:
    from uuid import UUID

    from tests.calling import Reply
    from tests.sql.world import World

NOT_PAUSABLE = "Batch is not in a pausable state (only processing or scheduled batches can be paused)"


def pause(token: str, batch_id: UUID | str) -> Reply:
    return call("calls-batch-pause", token, body={"batch_id": str(batch_id)})


def test_a_processing_batch_is_paused_as_the_seed_says(owner: str, world: World) -> None:
    batch_id = world.batch_in("processing")

    reply = pause(owner, batch_id)

    assert reply.status == 200
    paused_at = reply.body.pop("paused_at")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", paused_at)
    assert reply.body | {"paused_at": paused_at} == {
        "success": True,
        "batch_id": str(batch_id),
        "status": "paused",
        "paused_at": paused_at,
        "in_progress": 0,
        "message": "Batch paused. In-progress calls will continue until they complete.",
    }
    assert world.batch(batch_id)["status"] == "paused"


def test_a_scheduled_batch_is_paused(owner: str, world: World) -> None:
    assert pause(owner, world.batch_in("scheduled")).body["status"] == "paused"


def test_calls_that_were_dialled_before_are_counted_and_claimed_ones_are_released(owner: str, world: World) -> None:
    batch_id = world.processing(3)
    world.dial(1)
    claimed = world.claim(1)

    assert pause(owner, batch_id).body["in_progress"] == 1
    assert world.call(claimed[0])["status"] == "not_placed"
    assert [contact["status"] for contact in world.contacts(batch_id)].count("queued") == 2


@pytest.mark.parametrize("status", ["draft", "pending", "paused", "completed", "failed", "cancelled"])
def test_a_batch_in_any_other_state_is_not_paused(owner: str, world: World, status: str) -> None:
    batch_id = world.batch_in(status)
    before = world.snapshot()

    reply = pause(owner, batch_id)

    assert reply.error == (400, NOT_PAUSABLE)
    assert reply.body["code"] == "batch_not_pausable"
    assert world.snapshot() == before


def test_of_two_at_once_one_pauses_and_the_other_finds_it_paused(owner: str, world: World) -> None:
    batch_id = world.batch_in("processing")

    replies = twice_at_once(pause, owner, batch_id)

    assert sorted(reply.status for reply in replies) == [200, 400]
    assert [reply.body["error"] for reply in replies if reply.status == 400] == [NOT_PAUSABLE]
