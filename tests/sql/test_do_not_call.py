"""A number that is put on the do-not-call list: who waits at it is skipped, and no call to it begins any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest

from tests.factories import forbid_number
from tests.sql import payloads
from tests.sql.checks import assert_sound, query
from tests.sql.world import CALL_STATES, World, refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from tests.factories import Connection
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


@pytest.fixture
def few_at_once(connection: Connection) -> None:
    """Three people are skipped by the request and five by each turn, instead of thousands."""
    for name, constant, few in (
        ("forbid_numbers", ":= 2000", ":= 3"),
        ("skip_forbidden", "v_numbers, 1000", "v_numbers, 5"),
    ):
        ((body,),) = query(connection, f"select pg_get_functiondef('batchline.{name}'::regproc)")
        assert body.count(constant) == 1
        connection.execute(body.replace(constant, few).encode())


@pytest.mark.usefixtures("few_at_once")
def test_of_many_people_some_are_skipped_at_once_and_the_rest_by_the_processor(world: World) -> None:
    numbers = world.numbers(6)
    batches = [world.processing(numbers), world.batch_in("paused"), world.create(numbers, status="draft")]
    others = {row["id"] for row in world.contacts(batches[1])}
    answer = world.forbid(numbers, p_reason="Complaint")
    assert answer == {"added": 6, "already_listed": 0, "contacts_skipped": 12}
    assert sum(world.batch(one)["skipped"] for one in batches) == 3
    assert_sound(world.connection)

    turns = 0
    while any(row["skipping"] for row in world.all_listed()):
        answer = world.claim_answer()
        assert (answer["calls"], answer["active"]) == ([], True)
        assert_sound(world.connection)
        turns += 1

    assert turns == 2
    assert [world.batch(one)["status"] for one in batches] == ["completed", "paused", "draft"]
    assert world.batch(batches[2])["skipped"] == 6
    assert {row["status"] for row in world.contacts(batches[1])} == {"queued"}
    told = [row for row in world.events(event="skipped") if row["contact_id"] not in others]
    assert len({row["contact_id"] for row in told}) == len(told) == 12
    assert {(row["reason"], row["detail"]["rule"]) for row in told} == {("On the do-not-call list", "do_not_call")}


@pytest.mark.usefixtures("few_at_once")
def test_nobody_who_is_still_to_be_skipped_is_called_whatever_their_batch_is_told(world: World) -> None:
    numbers = world.numbers(9)
    batch_id = world.processing(numbers)
    claimed = world.claim(2)
    draft = world.create(numbers, status="draft")
    world.forbid(numbers)

    assert world.begin(claimed) == []
    world.execute(draft)
    world.append(batch_id, world.numbers(1))
    dialled = world.dial()
    while any(row["skipping"] for row in world.all_listed()):
        dialled += world.dial()

    assert [world.call(one)["to_number"] in numbers for one in dialled] == [False]
    assert {row["status"] for row in world.contacts(draft)} == {"skipped"}


@pytest.mark.usefixtures("few_at_once")
def test_an_agency_with_nothing_else_to_do_needs_a_worker_until_all_are_skipped(world: World) -> None:
    numbers = world.numbers(6)
    world.create(numbers, status="draft")
    assert not world.claim_answer()["active"]

    world.forbid(numbers)

    assert str(world.agency.id) in world.verb("dialling_agencies")
    answer = world.claim_answer()
    assert (answer["active"], answer["resting"]) == (True, True)
    assert not world.claim_answer()["active"]


@pytest.mark.usefixtures("few_at_once")
def test_a_number_leaves_the_list_only_when_nobody_at_it_is_still_to_be_skipped(world: World) -> None:
    numbers = world.numbers(9)
    world.create(numbers, status="draft")
    world.forbid(numbers)
    remove = {"p_user_id": world.agency.owner, "p_phone_numbers": numbers}

    with pytest.raises(psycopg.Error) as error:
        world.verb("remove_from_do_not_call", **remove)
    assert refusal(error.value) == ("409", "still_skipping")
    answer = world.claim_answer()
    assert (answer["resting"], answer["next_claim_in"]) == (False, 0)
    world.claim_answer()

    assert world.verb("remove_from_do_not_call", **remove) == {"removed": 9}
