from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest

from tests.factories import make_agency, make_user
from tests.sql.checks import assert_sound
from tests.sql.world import BATCH_STATES, World, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

SENTENCES = {
    "pause": "Batch is not in a pausable state (only processing or scheduled batches can be paused)",
    "resume": "Batch is not paused (only paused batches can be resumed)",
    "cancel": "Batch is already completed or cancelled",
}
CODES = {"pause": "batch_not_pausable", "resume": "batch_not_paused", "cancel": "batch_already_final"}
LEGAL = {
    "pause": {"processing", "scheduled"},
    "resume": {"paused"},
    "cancel": set(BATCH_STATES) - {"completed", "failed", "cancelled"},
}
ILLEGAL = [(verb, status) for verb, legal in LEGAL.items() for status in BATCH_STATES if status not in legal]


@pytest.mark.parametrize(("verb", "status"), ILLEGAL)
def test_the_verb_does_not_change_a_batch_that_is(world: World, verb: str, status: str) -> None:
    batch_id = world.batch_in(status)
    before = world.snapshot()

    with pytest.raises(psycopg.Error) as refused:
        getattr(world, verb)(batch_id)

    assert refusal(refused.value) == ("400", CODES[verb])
    assert refused.value.diag.message_primary == SENTENCES[verb]
    assert world.snapshot() == before


@pytest.mark.parametrize("verb", LEGAL)
def test_another_agencys_batch_reads_as_a_random_one_and_stays_as_it_is(world: World, verb: str) -> None:
    other = World(world.connection)
    theirs = other.batch_in("paused" if verb == "resume" else "processing")
    before = other.snapshot()
    answers: list[tuple[object, ...]] = []
    for unknown in (theirs, uuid4()):
        with pytest.raises(psycopg.Error) as refused:
            getattr(world, verb)(unknown)
        diag = refused.value.diag
        answers.append((diag.sqlstate, diag.message_primary, diag.message_detail))

    assert refusal(refused.value) == ("404", "batch_not_found")
    assert answers[0] == answers[1]
    assert other.snapshot() == before


@pytest.mark.parametrize("verb", LEGAL)
@pytest.mark.parametrize(("role", "code"), [("agency_member", "forbidden"), (None, "no_agency")])
def test_who_may_not_write_is_refused_before_the_batch_is_looked_at(
    world: World, verb: str, role: str | None, code: str
) -> None:
    user_id = make_user(world.connection, world.agency.id, role) if role else make_user(world.connection, None)

    with pytest.raises(psycopg.Error) as refused:
        getattr(world, verb)(uuid4(), user_id)

    assert refusal(refused.value) == ("403", code)


def test_a_user_demoted_a_second_ago_is_refused(world: World) -> None:
    batch_id = world.batch_in("processing")
    world.set("users", world.agency.owner, role="agency_member")

    with pytest.raises(psycopg.Error) as refused:
        world.pause(batch_id)

    assert refusal(refused.value) == ("403", "forbidden")


def test_a_user_moved_to_another_agency_reaches_the_old_one_no_more(world: World) -> None:
    batch_id = world.batch_in("processing")
    world.set("users", world.agency.owner, agency_id=make_agency(world.connection).id)

    with pytest.raises(psycopg.Error) as refused:
        world.pause(batch_id)

    assert refusal(refused.value) == ("404", "batch_not_found")


@pytest.mark.parametrize("status", ["processing", "scheduled"])
def test_pausing_records_the_time_and_who_did_it(world: World, status: str) -> None:
    batch_id = world.batch_in(status)

    answer = world.pause(batch_id)

    assert answer == {
        "success": True,
        "batch_id": str(batch_id),
        "status": "paused",
        "paused_at": answer["paused_at"],
        "in_progress": 0,
        "message": "Batch paused. In-progress calls will continue until they complete.",
    }
    batch = world.batch(batch_id)
    assert (batch["status"], batch["error_message"]) == ("paused", None)
    assert batch["paused_at"] is not None
    assert world.events(batch_id=batch_id, event="paused")[0]["actor"] == str(world.agency.owner)


def test_pausing_releases_what_is_claimed_and_keeps_what_may_reach_the_provider(world: World) -> None:
    batch_id = world.processing(6)
    ringing = world.dial(1)
    world.accept(ringing)
    dialing = world.dial(2)
    claimed = world.claim(2)

    answer = world.pause(batch_id)

    assert answer["in_progress"] == 3
    assert {world.call(one)["status"] for one in claimed} == {"not_placed"}
    assert {world.call(one)["status"] for one in dialing} == {"dialing"}
    for contact in (world.contact_of(one) for one in claimed):
        assert (contact["status"], contact["attempts"], contact["reason"]) == ("queued", 0, "Batch paused")
    assert [event["reason"] for event in world.events(event="released")] == ["Batch paused"] * 2
    assert_sound(world.connection)


def test_nothing_claimed_before_a_pause_begins_after_it_even_if_the_batch_is_resumed(world: World) -> None:
    batch_id = world.processing(3)
    claimed = world.claim()
    world.pause(batch_id)
    assert world.begin(claimed) == []

    world.resume(batch_id)

    assert world.begin(claimed) == []
    assert_sound(world.connection)


def test_calls_of_a_paused_batch_settle_end_and_count(world: World) -> None:
    batch_id = world.processing(3, retry={"delay_minutes": 0})
    accepted, refused, ringing = world.dial()
    world.accept([ringing])
    world.pause(batch_id)

    world.accept([accepted])
    world.settle(refused, "number_refused", reason="not a number")
    world.finish(accepted, talk_seconds=20)
    world.finish(ringing)

    batch = world.batch(batch_id)
    assert (batch["status"], batch["completed"], batch["failed"], batch["queued"]) == ("paused", 1, 1, 1)
    assert_sound(world.connection)


def test_a_paused_batch_whose_last_call_ends_is_completed(world: World) -> None:
    batch_id = world.processing(1)
    call_id = world.ringing()
    world.pause(batch_id)

    world.finish(call_id, talk_seconds=20)

    batch = world.batch(batch_id)
    assert (batch["status"], batch["paused_at"]) == ("completed", None)
    assert_sound(world.connection)


def test_a_pause_that_leaves_nothing_to_do_completes_the_batch(world: World, forbid: Callable[[str], None]) -> None:
    batch_id = world.processing(["+12135550123"])
    world.claim()
    forbid("+12135550123")

    world.pause(batch_id)

    assert world.batch(batch_id)["status"] == "completed"
    assert_sound(world.connection)
