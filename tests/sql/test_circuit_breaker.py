"""A batch whose calls cannot be placed pauses itself, and says why."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from tests.sql.checks import assert_sound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.sql.world import World

GOOD, BAD = "accepted", "unreachable"
SENTENCE = (
    "Paused because {} of the last 10 calls could not be placed, the latest for this reason: {}. "
    "Mend the cause, then resume the batch."
)


def dial(world: World, *results: str, reason: str = "could not connect.") -> None:
    """One call after the other, with these results."""
    for result in results:
        world.move_clock(2)
        (call_id,) = world.dial(1)
        more: dict[str, object] = {"ultravox_call_id": uuid4()} if result == "accepted" else {"reason": reason}
        assert world.settle(call_id, result, retry_after_seconds=0, **more) == 1


def a_batch(world: World, contacts: int = 40) -> UUID:
    return world.processing(contacts)


@pytest.mark.parametrize("result", ["unknown", "unreachable", "refused"])
def test_six_bad_dials_of_ten_pause_the_batch_with_the_reason(world: World, result: str) -> None:
    batch_id = a_batch(world)
    dial(world, *[GOOD] * 4, *[result] * 5)
    assert world.batch(batch_id)["status"] == "processing"

    dial(world, result)

    batch = world.batch(batch_id)
    assert (batch["status"], batch["error_message"]) == ("paused", SENTENCE.format(6, "could not connect"))
    (paused,) = world.events(event="paused")
    assert (paused["reason"], paused["detail"]) == (batch["error_message"], {"rule": "circuit_breaker"})
    assert world.claim() == []
    assert_sound(world.connection)


def test_half_is_not_more_than_half(world: World) -> None:
    batch_id = a_batch(world)

    dial(world, *[BAD, GOOD] * 10)

    assert world.batch(batch_id)["status"] == "processing"


def test_fewer_than_ten_dials_prove_nothing(world: World) -> None:
    batch_id = a_batch(world)

    dial(world, *[BAD] * 9)

    assert world.batch(batch_id)["status"] == "processing"


@pytest.mark.parametrize("result", ["throttled", "not_sent"])
def test_what_says_nothing_of_the_kind_is_passed_over(world: World, result: str) -> None:
    batch_id = a_batch(world)

    dial(world, *[BAD] * 9, *[result] * 15)
    assert world.batch(batch_id)["status"] == "processing"

    dial(world, BAD)
    assert world.batch(batch_id)["status"] == "paused"


def test_a_number_that_cannot_be_called_is_an_answer_like_any_other(world: World) -> None:
    batch_id = a_batch(world)

    dial(world, *["number_refused"] * 20)

    assert world.batch(batch_id)["status"] == "processing"


def test_the_last_ten_decide_however_many_went_well_before(world: World) -> None:
    batch_id = a_batch(world)

    dial(world, *[GOOD] * 20, *[BAD] * 6)

    assert world.batch(batch_id)["status"] == "paused"


def test_dials_older_than_half_an_hour_are_forgotten(world: World) -> None:
    batch_id = a_batch(world)
    dial(world, *[BAD] * 9)

    world.move_clock(1801)
    dial(world, BAD)

    assert world.batch(batch_id)["status"] == "processing"


def test_after_a_resume_the_counting_starts_anew(world: World) -> None:
    batch_id = a_batch(world)
    dial(world, *[BAD] * 10)
    world.resume(batch_id)
    assert world.batch(batch_id)["error_message"] is None

    dial(world, *[BAD] * 9)
    assert world.batch(batch_id)["status"] == "processing"

    dial(world, BAD)
    assert world.batch(batch_id)["status"] == "paused"


def test_a_call_that_is_found_after_all_counts_as_placed(world: World) -> None:
    batch_id = a_batch(world)
    dial(world, *["unknown"] * 5, *[GOOD] * 4)
    for row in [row for row in world.calls(batch_id) if row["status"] == "unknown"]:
        world.settle(UUID(row["id"]), "accepted", ultravox_call_id=uuid4())

    dial(world, *[BAD] * 5)

    assert world.batch(batch_id)["status"] == "processing"


def test_only_the_batch_that_fails_is_paused(world: World) -> None:
    fine = world.processing(5)
    dial(world, *[GOOD] * 5)
    failing = a_batch(world)

    dial(world, *[BAD] * 10)

    assert [world.batch(one)["status"] for one in (fine, failing)] == ["processing", "paused"]


def test_claimed_calls_of_the_batch_are_released_with_it(world: World) -> None:
    batch_id = a_batch(world)
    dial(world, *[BAD] * 9)
    world.move_clock(2)
    (last,) = world.dial(1)
    world.claim(3)

    world.settle(last, BAD, reason="could not connect")

    assert states(world, batch_id) == ["not_placed"] * 13
    assert_sound(world.connection)


def test_a_whole_turn_of_bad_results_pauses_once(world: World) -> None:
    batch_id = a_batch(world)
    call_ids = world.dial(30)

    world.settle_all([{"call_id": one, "result": BAD, "reason": "could not connect"} for one in call_ids])

    assert world.batch(batch_id)["status"] == "paused"
    assert len(world.events(event="paused")) == 1
    assert_sound(world.connection)


def states(world: World, batch_id: UUID) -> Sequence[str]:
    return [row["status"] for row in world.calls(batch_id)]
