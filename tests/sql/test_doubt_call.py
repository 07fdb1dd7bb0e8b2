"""A worker that was taken for dead wakes and says that it dialled, but not with what result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sql import payloads
from tests.sql.checks import assert_sound

if TYPE_CHECKING:
    from uuid import UUID

    from tests.sql.world import World


def swept(world: World, contacts: int = 2) -> UUID:
    """A call whose worker stopped after it was begun."""
    call_id = world.call_in("dialing", contacts=contacts)
    world.move_clock(61)
    world.sweep()
    return call_id


def denied(world: World, call_id: UUID, times: int = 2) -> None:
    for _ in range(times):
        world.move_clock(121)
        world.none(call_id)


def says_unknown(world: World, call_id: UUID) -> int:
    return world.settle(call_id, "unknown", reason="TimeoutError")


def test_the_questions_begin_anew_since_its_dial_may_have_left_after_the_first(world: World) -> None:
    call_id = swept(world)
    denied(world, call_id, times=1)

    assert says_unknown(world, call_id) == 1

    assert world.questions()["calls"] == []
    world.move_clock(61)
    assert len(world.questions()["calls"]) == 1
    denied(world, call_id, times=1)
    assert world.call(call_id)["status"] == "unknown"
    denied(world, call_id, times=1)
    assert world.call(call_id)["status"] == "not_placed"
    assert_sound(world.connection)


def test_a_contact_that_waits_to_be_called_again_is_taken_back(world: World) -> None:
    call_id = swept(world)
    denied(world, call_id)
    assert world.contact_of(call_id)["status"] == "queued"

    assert says_unknown(world, call_id) == 1

    contact = world.contact_of(call_id)
    assert (world.call(call_id)["status"], contact["status"], contact["attempts"]) == ("unknown", "in_progress", 1)
    assert contact["id"] not in [order["contact_id"] for order in world.claim_answer()["calls"]]
    world.tell(payloads.answered(world.call(call_id))["ended"])
    assert world.contact_of(call_id)["status"] == "completed"
    assert_sound(world.connection)


def test_a_contact_that_is_being_called_again_is_an_alarm_once(world: World) -> None:
    call_id = swept(world, contacts=1)
    denied(world, call_id)
    (again,) = world.dial()
    world.accept([again])

    assert [says_unknown(world, call_id) for _ in range(2)] == [0, 0]

    assert (world.call(call_id)["status"], world.call(again)["status"]) == ("not_placed", "ringing")
    (alarm,) = world.events(event="late_acceptance")
    assert alarm["reason"] == "It was dialled after the provider had denied it: TimeoutError"
    assert world.verb("vitals", p_agency_id=world.agency.id)["late_acceptances"] == 1
    assert_sound(world.connection)


@pytest.mark.parametrize("times", [0, 1, 2])
def test_the_same_word_once_more_changes_nothing(world: World, times: int) -> None:
    call_id = world.call_in("dialing", contacts=2)
    says_unknown(world, call_id)
    denied(world, call_id, times)
    before = world.snapshot()

    assert says_unknown(world, call_id) == 0

    assert world.snapshot() == before


def test_a_call_that_was_never_begun_raises_no_doubt(world: World) -> None:
    call_id = world.call_in("claimed", contacts=2)
    world.move_clock(61)
    world.sweep()
    before = world.snapshot()

    assert says_unknown(world, call_id) == 0

    assert world.snapshot() == before
