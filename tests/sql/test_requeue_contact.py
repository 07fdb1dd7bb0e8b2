"""The one place that puts a contact back, reached through the calls that ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sql.checks import assert_sound
from tests.sql.world import World, call

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

SIP = {"no_answer": None, "busy": "BUSY", "invalid_number": "INVALID_NUMBER", "rejected": "REJECTED"}


def requeue(world: World, call_id: UUID, *, counted: bool) -> None:
    """Calls the function itself, which only other verbs call."""
    statement = """
        select batchline.requeue_contact(call, batchline.clock() + interval '60 s', %s, 'Because')
        from public.calls as call where id = %s
    """
    world.connection.execute(statement, [counted, call_id])


@pytest.mark.parametrize("outcome", SIP)
def test_only_what_the_rule_names_is_tried_again(world: World, outcome: str) -> None:
    call_id = world.call_in("ringing")
    world.finish(call_id, sip=SIP[outcome])

    contact = world.contact_of(call_id)
    expected = "queued" if outcome in ("no_answer", "busy") else "failed"
    assert (contact["status"], contact["outcome"], contact["attempts"]) == (expected, outcome, 1)
    assert_sound(world.connection)


@pytest.mark.parametrize(("outcome", "status"), [("rejected", "queued"), ("no_answer", "failed")])
def test_the_rule_is_the_batchs_own(world: World, outcome: str, status: str) -> None:
    call_id = world.call_in("ringing", retry={"on": ["rejected"]})

    world.finish(call_id, sip=SIP[outcome])

    assert world.contact_of(call_id)["status"] == status


def test_each_try_waits_longer_and_none_is_early(world: World) -> None:
    world.processing(1, retry={"max_attempts": 4, "delay_minutes": 10, "growth": 3})
    for minutes in (10, 30, 90):
        call_id = world.ringing()
        earliest = world.time(60 * minutes)
        world.finish(call_id)
        assert earliest <= world.contact_of(call_id)["next_attempt_at"] <= world.time(60 * minutes)
        world.move_clock(60 * minutes - 1)
        assert world.claim() == []
        world.move_clock(1.1)
    last = world.ringing()
    world.finish(last)
    assert world.contact_of(last)["status"] == "failed"
    assert_sound(world.connection)


def test_no_wait_is_longer_than_a_week(world: World) -> None:
    call_id = world.call_in("ringing", retry={"delay_minutes": 60 * 24 * 30})

    world.finish(call_id)

    assert world.contact_of(call_id)["next_attempt_at"] <= world.time(7 * 24 * 3600)


@pytest.mark.parametrize("status", ["processing", "paused"])
def test_a_contact_of_an_open_batch_is_queued_again(world: World, status: str) -> None:
    call_id = world.call_in("ringing")
    if status == "paused":
        world.pause(world.call(call_id)["batch_id"])

    world.finish(call_id)

    contact = world.contact_of(call_id)
    assert (contact["status"], contact["reason"]) == ("queued", "No answer")
    until = world.events(call_id=call_id, event="requeued")[0]["detail"]["until"]
    assert until[:19] == contact["next_attempt_at"][:19]


def test_a_contact_of_a_closed_batch_is_skipped_for_that_reason(world: World) -> None:
    call_id = world.call_in("ringing")
    world.cancel(world.call(call_id)["batch_id"])

    world.finish(call_id)

    contact = world.contact_of(call_id)
    assert (contact["status"], contact["reason"], contact["outcome"]) == ("skipped", "Batch cancelled", "no_answer")


def test_a_contact_whose_number_was_forbidden_meanwhile_is_skipped(world: World, forbid: Callable[[str], None]) -> None:
    call_id = world.call_in("ringing")
    forbid(world.call(call_id)["to_number"])

    world.finish(call_id)

    contact = world.contact_of(call_id)
    assert (contact["status"], contact["reason"]) == ("skipped", "On the do-not-call list")
    assert world.batch(contact["batch_id"])["status"] == "completed"
    assert_sound(world.connection)


def test_a_contact_whose_attempts_are_spent_fails_with_the_last_outcome(world: World) -> None:
    call_id = world.call_in("ringing", retry={"max_attempts": 1})

    world.finish(call_id, sip="BUSY")

    contact = world.contact_of(call_id)
    assert (contact["status"], contact["outcome"], contact["reason"]) == ("failed", "busy", "Busy")
    assert contact["completed_at"] is not None


def test_an_attempt_that_does_not_count_can_not_be_the_last(world: World) -> None:
    call_id = world.call_in("dialing", retry={"max_attempts": 1})

    world.settle(call_id, "not_sent", reason="too late")

    contact = world.contact_of(call_id)
    assert (contact["status"], contact["attempts"]) == ("queued", 0)


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("status", ["pending", "queued", "completed", "failed", "skipped"])
def test_requeueing_does_not_change_a_contact_that_is(world: World, status: str, *, counted: bool) -> None:
    call_id = world.call_in("ringing", contacts=1, retry={"max_attempts": 1 if status == "failed" else 3})
    if status == "completed":
        world.finish(call_id, talk_seconds=20)
    elif status == "skipped":
        world.cancel(world.call(call_id)["batch_id"])
        world.finish(call_id)
    else:
        world.finish(call_id)
    if status == "pending":
        world.set("campaign_contacts", world.call(call_id)["contact_id"], status="pending", next_attempt_at=None)
    assert world.contact_of(call_id)["status"] == status
    before = world.snapshot()

    requeue(world, call_id, counted=counted)

    assert world.snapshot() == before


def test_requeueing_does_not_change_a_contact_that_is_in_progress_with_a_later_call(world: World) -> None:
    world.processing(1, retry={"delay_minutes": 0})
    first = world.ringing()
    world.finish(first)
    second = world.ringing()
    assert world.contact_of(second)["call_id"] == str(second)
    before = world.snapshot()

    requeue(world, first, counted=True)

    assert world.snapshot() == before


@pytest.mark.parametrize("growth", [1, 2.5])
def test_the_delay_grows_from_the_second_try_on(world: World, growth: float) -> None:
    def delay(attempt: int) -> float:
        rule = {"delay_minutes": 2, "growth": growth}
        return call(
            world.connection, "batchline", "retry_delay", {"p_retry": rule, "p_attempt": attempt}
        ).total_seconds()

    assert [delay(attempt) for attempt in (1, 2, 3)] == pytest.approx([120, 120 * growth, 120 * growth**2])
