"""A number that is put on the do-not-call list: who waits at it is skipped, and no call to it begins any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest

from tests.factories import forbid_number
from tests.sql import payloads
from tests.sql.checks import assert_sound
from tests.sql.world import CALL_STATES, World, refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from tests.sql.races import Race

    Start = Callable[[World, Callable[[], object]], Race[Any]]

NUMBER = "+12135550123"
OPEN = ("draft", "scheduled", "pending", "processing", "paused")


def batch_in(world: World, status: str) -> UUID:
    """A batch of two people, one of whom is at the number."""
    contacts = [NUMBER, *world.numbers(1)]
    if status == "draft":
        return world.create(contacts, status="draft")
    if status == "scheduled":
        return world.create(contacts, scheduled_for=world.time(3600))
    batch_id = world.create(contacts)
    if status != "pending":
        world.start()
    if status == "paused":
        world.pause(batch_id)
    return batch_id


def at_the_number(world: World, batch_id: UUID) -> dict[str, Any]:
    return next(row for row in world.contacts(batch_id) if row["phone_number"] == NUMBER)


@pytest.mark.parametrize("status", OPEN)
def test_who_waits_at_the_number_is_skipped_in_a_batch_that_is(world: World, status: str) -> None:
    batch_id = batch_in(world, status)

    answer = world.forbid([NUMBER], user_id=world.agency.admin)

    assert answer == {"added": 1, "already_listed": 0, "contacts_skipped": 1}
    contact, batch = at_the_number(world, batch_id), world.batch(batch_id)
    assert (contact["status"], contact["reason"]) == ("skipped", "On the do-not-call list")
    assert contact["outcome_notes"] == contact["reason"]
    assert (batch["status"], batch["skipped"], batch["total_contacts"]) == (status, 1, 2)
    (event,) = world.events(contact_id=contact["id"], event="skipped")
    assert (event["detail"], event["actor"]) == ({"rule": "do_not_call"}, str(world.agency.admin))
    assert_sound(world.connection)


def test_who_waits_is_skipped_in_all_batches_at_once_and_nobody_else_is(world: World) -> None:
    batches = [batch_in(world, status) for status in ("draft", "scheduled", "pending", "pending")]
    other = World(world.connection)
    theirs = other.create([NUMBER])

    assert world.forbid([NUMBER])["contacts_skipped"] == 4

    assert {world.batch(batch_id)["skipped"] for batch_id in batches} == {1}
    assert other.contacts(theirs)[0]["status"] == "pending"


def test_a_claimed_call_is_released_and_begins_no_more(world: World) -> None:
    batch_id = world.processing([NUMBER])
    call_id = world.claim()[0]

    assert world.forbid([NUMBER])["contacts_skipped"] == 1

    assert world.begin([call_id]) == []
    call, contact = world.call(call_id), world.contact_of(call_id)
    assert (call["status"], call["reason"]) == ("not_placed", "The number was put on the do-not-call list")
    assert (contact["status"], contact["attempts"]) == ("skipped", 0)
    trail = [event["event"] for event in world.events(contact_id=contact["id"])]
    assert trail == ["claimed", "released", "requeued", "skipped"]
    assert world.events(contact_id=contact["id"], event="skipped")[0]["actor"] == str(world.agency.owner)
    assert world.batch(batch_id)["status"] == "completed"
    assert_sound(world.connection)


@pytest.mark.parametrize("status", [status for status in CALL_STATES if status not in ("claimed", "not_placed")])
def test_forbidding_does_not_change_a_call_that_is(world: World, status: str) -> None:
    call_id = world.call_in(status, contacts=[NUMBER])
    before = world.call(call_id)

    world.forbid([NUMBER])

    assert world.call(call_id) == before
    assert world.contact_of(call_id)["status"] == ("skipped" if status == "ended" else "in_progress")


def test_who_was_not_reached_after_that_is_not_called_again(world: World) -> None:
    batch_id = world.processing([NUMBER])
    call_id = world.ringing()
    world.forbid([NUMBER])

    world.finish(call_id)

    contact = world.contact_of(call_id)
    assert (contact["status"], contact["outcome"], contact["attempts"]) == ("skipped", "no_answer", 1)
    (event,) = world.events(contact_id=contact["id"], event="skipped")
    assert (event["reason"], event["detail"]) == ("On the do-not-call list", {"rule": "do_not_call"})
    assert world.batch(batch_id)["status"] == "completed"


def test_a_paused_batch_left_with_nobody_completes_and_one_not_started_waits_for_its_start(world: World) -> None:
    paused, pending = world.processing([NUMBER]), world.create([NUMBER])
    world.pause(paused)

    world.forbid([NUMBER])

    assert (world.batch(paused)["status"], world.batch(pending)["status"]) == ("completed", "pending")
    world.start()
    assert world.batch(pending)["status"] == "completed"


def test_adding_again_counts_what_is_there_and_keeps_who_when_and_why(world: World) -> None:
    world.forbid([NUMBER], p_reason="Asked by letter")
    before = world.all_listed()

    answer = world.forbid([NUMBER, "+12135550124"], user_id=world.agency.admin, p_reason="Again")

    assert answer == {"added": 1, "already_listed": 1, "contacts_skipped": 0}
    assert world.all_listed()[:1] == before
    assert [row["reason"] for row in world.all_listed()] == ["Asked by letter", "Again"]


def test_a_number_that_is_removed_may_be_called_again_but_who_was_skipped_stays_so(world: World) -> None:
    batch_id = world.processing([NUMBER])
    world.forbid([NUMBER])
    remove = {"p_user_id": world.agency.owner, "p_phone_numbers": [NUMBER, "+12135550124"]}

    assert world.verb("remove_from_do_not_call", **remove) == {"removed": 1}
    assert world.verb("remove_from_do_not_call", **remove) == {"removed": 0}

    assert world.contacts(batch_id)[0]["status"] == "skipped"
    world.processing([NUMBER])
    assert len(world.dial()) == 1


@pytest.mark.parametrize("named_by", ["our id", "the provider's id", "our id in the metadata"])
def test_a_person_who_asks_during_the_call_is_never_called_again(world: World, named_by: str) -> None:
    call_id = world.call_in("answered", contacts=[NUMBER])
    waiting = world.create([NUMBER])
    call = world.call(call_id)
    metadata = {"call_id": str(call_id), "contact_id": call["contact_id"]}
    arguments: dict[str, dict[str, Any]] = {
        "our id": {"call_id": call_id},
        "the provider's id": {"call_id": call["ultravox_call_id"]},
        "our id in the metadata": {"call_id": uuid4(), "p_metadata": metadata},
    }

    first, again = (world.opt_out(**arguments[named_by]) for _ in range(2))

    assert first == again
    assert first["message"] == "Your number is on our do-not-call list now. We will not call you again."
    (listed,) = world.all_listed()
    assert (listed["phone_number"], listed["call_id"], listed["added_by"]) == (NUMBER, str(call_id), None)
    assert listed["reason"] == "Asked for during a call"
    contact = world.contacts(waiting)[0]
    assert (contact["status"], contact["reason"]) == ("skipped", "On the do-not-call list")
    (event,) = world.events(contact_id=contact["id"], event="skipped")
    assert event["detail"] == {"rule": "do_not_call", "asked_in_call": str(call_id)}
    assert world.call(call_id)["status"] == "answered"
    assert_sound(world.connection)


def test_no_call_but_one_of_ours_to_a_person_puts_anybody_on_the_list(world: World) -> None:
    theirs = World(world.connection)
    their_call = theirs.call_in("answered")
    imported = uuid4()
    world.tell({"callId": str(imported), "created": world.time()})
    stolen = {"call_id": str(their_call), "contact_id": theirs.call(their_call)["contact_id"]}

    for call_id, metadata in (
        (uuid4(), None),
        (their_call, None),
        (theirs.call(their_call)["ultravox_call_id"], None),
        (uuid4(), stolen),
        (imported, None),
    ):
        with pytest.raises(psycopg.Error) as error:
            world.opt_out(call_id, p_metadata=metadata)
        assert refusal(error.value) == ("404", "call_not_found")
    assert (world.all_listed(), theirs.all_listed()) == ([], [])


def test_begin_waits_for_who_forbids_and_then_begins_nothing(ours: World, theirs: World, race: Start) -> None:
    ours.processing([NUMBER])
    claimed = theirs.claim()

    with ours.connection.transaction():
        ours.forbid([NUMBER])
        begun = race(theirs, lambda: theirs.begin(claimed))
        begun.wait_until_blocked()

    assert begun.result() == []
    assert_sound(ours.connection)


def unreached(world: World) -> tuple[UUID, dict[str, Any]]:
    """A call that rings, and the word that nobody answered."""
    world.processing([NUMBER])
    call_id = world.ringing()
    row = world.call(call_id)
    return call_id, payloads.unanswered(row, row["ultravox_call_id"])["ended"]


def test_who_forbids_waits_for_a_retry_that_is_being_decided_and_takes_it_back(
    ours: World, theirs: World, race: Start
) -> None:
    call_id, told = unreached(ours)

    with ours.connection.transaction():
        ours.tell(told)
        forbidden = race(theirs, lambda: theirs.forbid([NUMBER]))
        forbidden.wait_until_blocked()

    assert forbidden.result()["contacts_skipped"] == 1
    assert ours.contact_of(call_id)["status"] == "skipped"
    assert_sound(ours.connection)


def test_a_retry_that_is_decided_while_somebody_forbids_sees_the_list(ours: World, theirs: World, race: Start) -> None:
    call_id, told = unreached(ours)

    with ours.connection.transaction():
        ours.forbid([NUMBER])
        ended = race(theirs, lambda: theirs.tell(told))
        ended.wait_until_blocked()

    ended.result()
    assert ours.contact_of(call_id)["status"] == "skipped"
    assert_sound(ours.connection)


def test_who_was_stored_while_the_number_was_being_listed_is_never_called(world: World) -> None:
    batch_id = world.processing([NUMBER])
    forbid_number(world.connection, world.agency.id, NUMBER)  # the list was read before, the contact stored after

    assert world.dial() == []

    contact = world.contacts(batch_id)[0]
    assert (contact["status"], contact["reason"]) == ("skipped", "On the do-not-call list")
    assert world.batch(batch_id)["status"] == "completed"
    assert_sound(world.connection)
