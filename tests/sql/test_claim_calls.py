from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.factories import forbid_number, insert, make_agent_mapping
from tests.sql.checks import assert_sound
from tests.sql.world import BATCH_STATES, World

if TYPE_CHECKING:
    from uuid import UUID


def test_a_claim_answers_all_that_a_dial_needs(world: World) -> None:
    connection, agency_id, number = world.connection, world.agency.id, "+13125550111"
    agent = make_agent_mapping(connection, agency_id, max_duration_seconds=120, recording_enabled=True)
    columns = {"phone_number": number, "provider": "sip", "sip_domain": "sip.example.com"}
    insert(connection, "agency_phone_numbers", agency_id=agency_id, **columns)
    person: dict[str, Any] = {
        "phone_number": "+12135550123", "first_name": "Ada", "last_name": "L", "email": "a@example.com",
        "company": "Engines", "title": "Countess",
    }  # fmt: skip
    listed = person | {"custom_data": {"plan": "gold"}}
    batch_id = world.create([listed], agent_mapping_id=agent, from_number=number)

    answer = world.claim_answer()

    order = answer["calls"][0]
    contact = world.contacts(batch_id)[0]
    assert answer["active"] is True
    assert order == {
        "call_id": contact["call_id"],
        "agency_id": str(agency_id),
        "batch_id": str(batch_id),
        "contact_id": contact["id"],
        "to_number": "+12135550123",
        "from_number": number,
        "provider": "sip",
        "sip_domain": "sip.example.com",
        "ultravox_agent_id": order["ultravox_agent_id"],
        "max_duration_seconds": 120,
        "recording_enabled": True,
        "contact": person,
        "custom_data": {"plan": "gold"},
    }


def test_a_claim_holds_the_contact_and_writes_the_call_before_anything_is_dialled(world: World) -> None:
    batch_id = world.processing(1)

    call_id = world.claim(worker="w1", lease=60)[0]

    call, contact, batch = world.call(call_id), world.contacts(batch_id)[0], world.batch(batch_id)
    assert (call["status"], call["claimed_by"], call["attempt"], call["began_at"]) == ("claimed", "w1", 1, None)
    assert (contact["status"], contact["attempts"], contact["call_id"]) == ("in_progress", 1, str(call_id))
    assert contact["last_attempt_at"] == call["claimed_at"]
    assert (batch["queued"], batch["in_progress"]) == (0, 1)
    assert [event["event"] for event in world.events(call_id=call_id)] == ["claimed"]
    assert_sound(world.connection)


def test_a_lease_is_as_long_as_asked(world: World) -> None:
    world.processing(1)

    call = world.call(world.claim(lease=12.5)[0])

    statement = "select extract(epoch from %s::timestamptz - %s::timestamptz)::float8"
    assert world.connection.execute(statement, [call["claimed_until"], call["claimed_at"]]).fetchone() == (12.5,)


@pytest.mark.parametrize("status", [status for status in BATCH_STATES if status not in ("pending", "processing")])
def test_a_claim_does_not_change_a_batch_that_is(world: World, status: str) -> None:
    world.batch_in(status)
    before = world.snapshot()

    answer = world.claim_answer()

    assert answer["calls"] == []
    assert world.snapshot() == before


def test_a_second_claim_does_not_change_what_the_first_holds(world: World) -> None:
    world.processing(2)
    world.claim(worker="w1")
    before = world.snapshot()

    assert world.claim(worker="w2") == []

    assert world.snapshot() == before


def test_people_are_called_in_the_order_of_the_list(world: World) -> None:
    batch_id = world.processing(5)
    numbers = [contact["phone_number"] for contact in world.contacts(batch_id)]

    dialled = [world.call(world.claim(1)[0])["to_number"] for _ in numbers]

    assert dialled == numbers


def test_a_contact_is_not_claimed_before_its_time(world: World) -> None:
    batch_id = world.processing(1)
    world.set("campaign_contacts", world.contacts(batch_id)[0]["id"], next_attempt_at=world.time(30))

    world.move_clock(29.5)
    assert world.claim() == []
    world.move_clock(1)
    assert len(world.claim()) == 1


@pytest.mark.parametrize("contacts", [1, 4])
def test_one_claim_over_batches_with_the_same_numbers_takes_each_number_once(world: World, contacts: int) -> None:
    numbers = world.numbers(contacts)
    batches = [world.create(numbers), world.create(list(reversed(numbers))), world.create(numbers)]

    claimed = [world.call(call_id)["to_number"] for call_id in world.claim()]

    assert sorted(claimed) == sorted(numbers)
    assert sum(world.batch(batch_id)["in_progress"] for batch_id in batches) == contacts
    assert world.claim() == []
    assert_sound(world.connection)


@pytest.mark.parametrize("status", ["claimed", "dialing", "unknown", "ringing", "answered"])
def test_a_number_with_a_live_call_is_left_alone_by_other_batches(world: World, status: str) -> None:
    live = world.call_in(status)
    batch_id = world.processing([world.call(live)["to_number"], *world.numbers(1)])

    claimed = [world.call(call_id) for call_id in world.claim()]

    assert [call["to_number"] for call in claimed] == [world.contacts(batch_id)[1]["phone_number"]]


@pytest.mark.parametrize("status", ["ended", "not_placed"])
def test_a_number_whose_call_is_over_may_be_called_by_another_batch(world: World, status: str) -> None:
    over = world.call_in(status)
    world.pause(world.call(over)["batch_id"])
    world.processing([world.call(over)["to_number"]])

    assert len(world.claim()) == 1


def test_two_agencies_may_call_the_same_number_at_once(world: World) -> None:
    other = World(world.connection)
    world.processing(["+12135550123"])
    other.processing(["+12135550123"])

    assert (len(world.claim()), len(other.claim())) == (1, 1)


def test_a_number_on_the_do_not_call_list_is_never_begun_and_is_skipped(world: World) -> None:
    batch_id = world.processing(["+12135550123", "+12135550124"])
    forbid_number(world.connection, world.agency.id, "+12135550123")

    begun = [world.call(call_id)["to_number"] for call_id in world.dial()]

    assert begun == ["+12135550124"]
    contact = world.contacts(batch_id)[0]
    assert (contact["status"], contact["reason"]) == ("skipped", "On the do-not-call list")
    assert_sound(world.connection)


def test_a_claim_for_one_agency_leaves_the_others_alone(world: World) -> None:
    other = World(world.connection)
    batch_id: UUID = other.create(1)
    world.create(1)

    assert len(world.claim()) == 1
    assert other.batch(batch_id)["status"] == "pending"


def test_nothing_to_do_is_said_plainly(world: World) -> None:
    world.batch_in("completed")

    answer = world.claim_answer()

    assert (answer["active"], answer["calls"], answer["next_claim_in"], answer["waiting_for_slot"]) == (
        False, [], None, False,
    )  # fmt: skip


@pytest.mark.parametrize("verb", ["pause", "cancel"])
def test_an_agency_is_active_while_a_call_is_live_whatever_its_batch_is(world: World, verb: str) -> None:
    batch_id = world.processing(1)
    call_id = world.ringing()
    getattr(world, verb)(batch_id)

    assert world.claim_answer()["active"] is True
    world.finish(call_id, talk_seconds=20)
    assert world.claim_answer()["active"] is False


@pytest.mark.parametrize(("seconds", "active"), [(50, True), (3600, False)])
def test_an_agency_is_active_when_a_batch_is_due_within_the_minute(world: World, seconds: int, *, active: bool) -> None:
    world.create(1, scheduled_for=world.time(seconds))

    answer = world.claim_answer()

    assert answer["active"] is active
    if active:
        assert 45 < answer["next_claim_in"] <= 50


def test_a_released_attempt_does_not_count(world: World) -> None:
    batch_id = world.processing(1)
    for _ in range(5):
        world.claim(lease=1)
        world.move_clock(2)
        world.sweep()

    assert world.contacts(batch_id)[0]["attempts"] == 0
    assert world.call(world.claim()[0])["attempt"] == 1


def test_a_contact_is_dialled_at_most_max_attempts_times(world: World) -> None:
    batch_id = world.processing([{"phone_number": "+12135550123", "max_attempts": 3}], retry={"delay_minutes": 0})
    attempts = 0
    while calls := world.dial():
        attempts += 1
        world.accept(calls)
        world.finish(calls[0])

    assert attempts == 3
    contact = world.contacts(batch_id)[0]
    assert (contact["status"], contact["attempts"], contact["outcome"]) == ("failed", 3, "no_answer")
    assert world.batch(batch_id)["status"] == "completed"
    assert_sound(world.connection)
