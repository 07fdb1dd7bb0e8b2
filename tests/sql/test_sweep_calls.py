"""What a worker leaves behind when it dies or freezes."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from tests.sql import payloads
from tests.sql.checks import assert_sound
from tests.sql.world import CALL_STATES

if TYPE_CHECKING:
    from tests.sql.world import World

LONGEST = 3600  # max_duration_seconds of the agents made here
GIVE_UP = 86400


def test_a_claimed_call_whose_lease_is_over_is_released_and_not_counted(world: World) -> None:
    call_id = world.call_in("claimed")
    world.move_clock(60.5)

    assert world.sweep() == {"released": 1, "unknown": 0, "given_up": 0}

    call, contact = world.call(call_id), world.contact_of(call_id)
    assert (call["status"], call["claimed_until"]) == ("not_placed", None)
    assert (contact["status"], contact["attempts"]) == ("queued", 0)
    assert contact["next_attempt_at"] <= world.time()
    assert len(world.claim()) == 1
    assert_sound(world.connection)


def test_a_dialing_call_whose_lease_is_over_becomes_unknown_and_is_never_redialled(world: World) -> None:
    call_id = world.call_in("dialing")
    world.move_clock(60.5)

    assert world.sweep() == {"released": 0, "unknown": 1, "given_up": 0}

    assert world.call(call_id)["status"] == "unknown"
    world.move_clock(GIVE_UP)
    world.sweep()
    assert world.claim() == []
    assert world.contact_of(call_id)["status"] == "in_progress"
    assert_sound(world.connection)


@pytest.mark.parametrize("status", ["claimed", "dialing"])
def test_a_lease_that_runs_is_left_alone(world: World, status: str) -> None:
    world.call_in(status)
    world.move_clock(59)
    before = world.snapshot()

    assert sum(world.sweep().values()) == 0

    assert world.snapshot() == before


@pytest.mark.parametrize("status", CALL_STATES)
def test_sweeping_twice_changes_nothing_more_of_a_call_that_was(world: World, status: str) -> None:
    world.call_in(status)
    world.move_clock(2 * (LONGEST + GIVE_UP))
    world.sweep()
    if status == "dialing":  # its silence as an unknown call has only begun
        assert world.all("calls")[0]["status"] == "unknown"
    before = world.snapshot()

    assert sum(world.sweep().values()) == 0

    assert world.snapshot() == before


@pytest.mark.parametrize("status", ["unknown", "ringing", "answered"])
def test_a_call_of_which_the_provider_never_spoke_again_is_closed_as_unknown_and_not_dialled_again(
    world: World, status: str
) -> None:
    call_id = world.call_in(status)
    world.move_clock(LONGEST + GIVE_UP - 5)
    assert sum(world.sweep().values()) == 0
    world.move_clock(10)

    assert world.sweep() == {"released": 0, "unknown": 0, "given_up": 1}

    call, contact = world.call(call_id), world.contact_of(call_id)
    assert (call["status"], call["outcome"]) == ("ended", "unknown")
    assert (contact["status"], contact["outcome"]) == ("failed", "unknown")
    assert contact["reason"] == "We could not learn what became of this call; it was not dialled again."
    assert world.batch(call["batch_id"])["status"] == "completed"
    assert_sound(world.connection)


def test_news_puts_the_end_of_patience_off(world: World) -> None:
    call_id = world.call_in("ringing")
    row = world.call(call_id)
    world.move_clock(GIVE_UP)
    world.tell(payloads.answered(row, UUID(row["ultravox_call_id"]))["joined"])
    world.move_clock(LONGEST + 10)

    assert sum(world.sweep().values()) == 0


@pytest.mark.parametrize("known", [False, True], ids=["its id was never known", "its id was known"])
@pytest.mark.parametrize(
    ("told", "status", "outcome", "reason"),
    [("answered", "completed", "answered", "Answered"), ("unanswered", "failed", "no_answer", "No answer")],
)
def test_what_became_of_a_call_that_was_given_up_is_learned_after_all(
    world: World, known: bool, told: str, status: str, outcome: str, reason: str
) -> None:
    call_id = world.call_in("ringing" if known else "unknown")
    world.move_clock(LONGEST + GIVE_UP + 1)
    assert world.sweep()["given_up"] == 1
    row = world.call(call_id)
    words = getattr(payloads, told)(row, UUID(row["ultravox_call_id"]) if known else None)

    world.tell(words["started"])
    assert world.contact_of(call_id)["outcome"] == "unknown"
    assert [world.tell(words[word]) for word in ("ended", "ended", "billed")] == ["applied", "unchanged", "applied"]

    call, contact = world.call(call_id), world.contact_of(call_id)
    assert (call["status"], call["outcome"], call["ultravox_call_id"]) == ("ended", outcome, words["ended"]["callId"])
    assert call["billing_status"] == words["billed"]["billingStatus"]
    assert (contact["status"], contact["outcome"], contact["reason"]) == (status, outcome, reason)
    assert contact["duration_seconds"] == (42 if told == "answered" else None)
    assert world.batch(contact["batch_id"])["status"] == "completed"
    assert world.claim() == []
    assert_sound(world.connection)


def test_a_worker_that_stopped_says_nothing_about_the_provider(world: World) -> None:
    call_id = world.call_in("dialing")
    world.move_clock(61)
    world.sweep()

    assert (world.call(call_id)["status"], world.call(call_id)["dial_result"]) == ("unknown", None)


def test_a_sweep_is_bounded(world: World) -> None:
    world.processing(5)
    world.claim()
    world.move_clock(61)

    assert [world.sweep(2)["released"] for _ in range(4)] == [2, 2, 1, 0]
    assert_sound(world.connection)


def test_a_released_call_of_a_closed_batch_skips_its_contact(world: World) -> None:
    call_id = world.call_in("dialing")
    world.cancel(UUID(world.call(call_id)["batch_id"]))
    world.move_clock(61)
    world.sweep()
    world.move_clock(GIVE_UP + LONGEST + 61)
    world.sweep()

    assert world.contact_of(call_id)["status"] == "failed"
    assert world.batch(world.call(call_id)["batch_id"])["status"] == "cancelled"
    assert_sound(world.connection)
