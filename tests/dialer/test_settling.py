"""What each answer to a dial does to call, contact, batch and agency: the table of outcomes, from end to end."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.dialer.harness import Batch, doing
from tests.factories import fictional_numbers
from tests.sql.checks import assert_sound

if TYPE_CHECKING:
    from tests.dialer.conftest import Settings
    from tests.dialer.harness import Row, World

NAMED = {"medium": {"twilio": {"outgoing": {"to": ["This is not a phone number."]}}}}


def assert_all_called_once(batch: Batch, contacts: int) -> None:
    stats = batch.stats()
    assert (stats["accepted"], stats["double_dials"], stats["most_calls_per_contact"]) == (contacts, 0, 1)
    assert batch.counters() == {"completed": contacts}
    assert {contact["attempts"] for contact in batch.contacts()} == {1}
    assert batch.status == "completed"
    assert_sound(batch.world.db)


def assert_put_back(batch: Batch, result: str, held_back: float, contacts: int = 1) -> None:
    """Nothing was placed, no attempt is counted, and the contacts wait for so many seconds."""
    assert batch.counters() == {"queued": contacts}
    for contact in batch.contacts():
        call = batch.call(contact["phone_number"])
        assert (call["status"], call["dial_result"]) == ("not_placed", result)
        assert contact["attempts"] == 0
        assert contact["reason"] == call["reason"]
        waits = contact["next_attempt_at"] - call["news_at"]
        assert abs(waits - timedelta(seconds=held_back)) < timedelta(seconds=0.1)


def settled(batch: Batch) -> bool:
    """Whether every call of the batch, and there is one, has its result."""
    results = [call["dial_result"] for call in batch.calls()]
    return bool(results) and None not in results


def let_time_pass(batch: Batch) -> None:
    """What is held back is due."""
    batch.world.db.execute(
        "update public.campaign_contacts set next_attempt_at = now() where batch_id = %s and status = 'queued'",
        [batch.id],
    )


def test_a_number_that_is_refused_fails_its_contact_alone(world: World) -> None:
    number, *others = fictional_numbers(5)
    world.simulator.add_fault("refuse", {"to": number}, status=400, body=NAMED)
    batch = world.create([number, *others])

    world.run()

    contact, call = batch.contact(number), batch.call(number)
    assert (contact["status"], contact["outcome"], contact["attempts"]) == ("failed", "invalid_number", 1)
    assert "This is not a phone number." in contact["reason"]
    assert (call["status"], call["dial_result"]) == ("not_placed", "number_refused")
    assert batch.counters() == {"completed": 4, "failed": 1}
    assert batch.status == "completed"
    assert batch.stats()["accepted"] == 4


def test_a_configuration_that_is_refused_holds_its_contacts_back_for_a_minute(world: World) -> None:
    template = {"contextSchema": {"required": ["plan"]}}
    agent = {"agentId": world.agent_id}
    world.simulator.add_account(world.key, agents=[agent | {"callTemplate": template}])
    batch = world.create(3)

    world.run_until(lambda: settled(batch))

    assert_put_back(batch, "refused", 60, contacts=3)
    assert "'plan' is a required property." in batch.contacts()[0]["reason"]
    assert batch.status == "processing"
    world.open_account()
    let_time_pass(batch)
    world.run()
    assert_all_called_once(batch, 3)


@pytest.mark.parametrize("status", [429, 503])
def test_after_a_throttle_nobody_of_the_agency_is_dialled_before_the_provider_says(world: World, status: int) -> None:
    world.simulator.add_fault(
        "refuse", {"times": 1}, status=status, body={"detail": "Slow down."}, headers={"Retry-After": "1"}
    )
    first, second = world.create(60), world.create(fictional_numbers(60, start=100))

    world.run()

    (throttled,) = (call for call in world.calls() if call["dial_result"] == "throttled")
    told, until = throttled["news_at"], world.row()["dial_after"]
    assert abs(until - told - timedelta(seconds=1)) < timedelta(seconds=0.05)
    begun = [call["began_at"] for call in world.calls()]
    assert max(begun) >= until
    assert not [at for at in begun if told < at < until]
    assert_all_called_once_but(first, second, throttled)


def assert_all_called_once_but(first: Batch, second: Batch, throttled: dict[str, Any]) -> None:
    for batch in (first, second):
        assert_all_called_once(batch, 60)
    again = [call for call in first.world.calls() if call["contact_id"] == throttled["contact_id"]]
    assert [call["status"] for call in again] == ["not_placed", "ended"]


@pytest.mark.parametrize(
    ("retry_after", "shortest", "longest"), [("date", 50, 61), ("none", 5, 7.5), ("7200", 900, 900)]
)
def test_a_throttle_lasts_as_long_as_the_provider_says_in_whatever_way(
    world: World, retry_after: str, shortest: float, longest: float
) -> None:
    later = (datetime.now(UTC) + timedelta(seconds=60)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    given = {"date": {"Retry-After": later}, "none": {}, "7200": {"Retry-After": "7200"}}[retry_after]
    world.simulator.add_fault("refuse", status=429, body={"detail": "Slow down."}, headers=given)
    batch = world.create(1)

    world.run_until(lambda: settled(batch))

    call = batch.call()
    assert shortest <= (world.row()["dial_after"] - call["news_at"]).total_seconds() <= longest
    assert (call["status"], call["dial_result"]) == ("not_placed", "throttled")
    (contact,) = batch.contacts()
    assert (contact["status"], contact["attempts"]) == ("queued", 0)
    assert batch.status == "processing"


def test_a_provider_that_is_slower_than_the_batch_sets_the_pace(world: World) -> None:
    world.open_account(calls_per_second=8, max_concurrent=6)
    world.simulator.configure(people=doing("answered", talk_seconds=(0.2, 0.4)))
    batch = world.create(20)

    world.run()

    stats = batch.stats()
    assert stats["refused"].get("429", 0) > 0
    assert stats["most_concurrent"] <= 6
    assert stats["most_starts_1s"] <= 8
    assert_all_called_once(batch, 20)


@pytest.mark.usefixtures("_short")
def test_an_error_that_proves_nothing_is_asked_about_twice_and_then_dialled_once(world: World) -> None:
    for status, body in ((500, "oops"), (503, "upstream connect error"), (502, {"detail": "no"})):
        world.simulator.add_fault("refuse", {"times": 1}, status=status, body=body)
    world.simulator.add_fault("drop_before_accept", {"times": 1})
    batch = world.create(6)

    figures = world.run()

    assert (figures["calls_unknown"], figures["calls_initiated"]) == (4, 10)
    assert_all_called_once(batch, 6)
    lost = [call for call in batch.calls() if call["dial_result"] == "unknown"]
    assert {call["status"] for call in lost} == {"not_placed"}
    for call in lost:
        assert call["none_at"] - call["unknown_at"] >= timedelta(seconds=1.6)
        assert call["news_at"] - call["none_at"] >= timedelta(seconds=0.6)


@pytest.mark.usefixtures("_short")
def test_a_call_that_was_accepted_without_a_word_is_adopted_and_not_repeated(world: World) -> None:
    world.simulator.configure(webhooks={"enabled": False})
    for action in ("accept_then_500", "accept_then_drop", "malformed_body"):
        world.simulator.add_fault(action, {"times": 2})
    batch = world.create(6)

    world.run()

    assert len(batch.events("adopted")) == 6
    assert_all_called_once(batch, 6)


def test_an_event_may_come_before_the_answer_and_instead_of_it(world: World) -> None:
    world.simulator.add_fault("slow_201", {"rate": 0.5}, delay_seconds=0.4)  # people have long hung up by then
    world.simulator.add_fault("accept_then_500")
    batch = world.create(20)

    world.run()

    assert_all_called_once(batch, 20)


@pytest.mark.usefixtures("_short")
def test_one_look_up_that_finds_nothing_is_not_enough(world: World) -> None:
    world.simulator.configure(webhooks={"enabled": False})
    world.simulator.add_fault("accept_then_drop")
    world.simulator.add_fault("lookup_lags", delay_seconds=2.1)
    batch = world.create(3)

    world.run()

    assert len(batch.events("asked")) == 3  # none, once
    assert_all_called_once(batch, 3)


def asked_again(call: Row) -> bool:
    """Whether the provider has been asked about a call when two answers would have been enough."""
    return bool(call["asked_at"]) and call["asked_at"] - call["unknown_at"] > timedelta(seconds=1.6 + 0.6)


@pytest.mark.usefixtures("_short")
def test_while_the_provider_cannot_be_asked_nobody_is_dialled_again(world: World) -> None:
    world.simulator.add_fault("drop_before_accept", {"times": 2})
    world.simulator.add_fault("lookup_outage")
    batch = world.create(2)

    world.run_until(lambda: [asked_again(call) for call in batch.calls()] == [True, True])

    assert {call["status"] for call in batch.calls()} == {"unknown"}
    assert batch.counters() == {"in_progress": 2}
    world.simulator.clear_faults()
    world.run()
    assert_all_called_once(batch, 2)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "The provider refused the agency's API key: store a valid one, then resume the batch"),
        (402, "The provider's account cannot place calls: check its subscription, then resume the batch"),
        (403, "The provider refused the agency's API key: store a valid one, then resume the batch"),
    ],
)
def test_a_refused_account_pauses_the_agencys_batches_until_somebody_has_acted(
    world: World, status: int, sentence: str
) -> None:
    world.simulator.add_fault("refuse", status=status, body={"detail": "No."})
    batches = [world.create(3), world.create(fictional_numbers(3, start=10))]

    world.run()

    for batch in batches:
        row = batch.row()
        assert row["status"] == "paused"
        assert row["error_message"].startswith(sentence)
        assert batch.counters() == {"queued": 3}
        assert {contact["attempts"] for contact in batch.contacts()} == {0}
    assert world.stats()["accepted"] == 0
    world.simulator.clear_faults()
    for batch in batches:
        batch.resume()
    world.run()
    for batch in batches:
        assert batch.row()["error_message"] is None
        assert_all_called_once(batch, 3)


def test_a_key_that_was_wrong_is_read_again_once_it_has_been_replaced(world: World) -> None:
    world.store("ultravox-api-key", "not-the-key")
    batch = world.create(3)
    world.run()
    assert batch.status == "paused"

    world.store("ultravox-api-key", world.key)
    batch.resume()
    world.run()

    assert_all_called_once(batch, 3)


def test_without_a_key_the_batch_pauses_and_says_so(world: World) -> None:
    world.forget("ultravox-api-key")
    batch = world.create(3)

    world.run()

    row = batch.row()
    assert (row["status"], row["error_message"]) == (
        "paused",
        "Agency API key not configured: store the provider's key, then resume the batch",
    )
    world.store("ultravox-api-key", world.key)
    batch.resume()
    world.run()
    assert_all_called_once(batch, 3)


def test_an_agent_that_is_gone_fails_its_batch_and_no_other(world: World) -> None:
    gone = world.create(30, calls_per_minute=600)
    world.delete_agent()
    there = world.create(fictional_numbers(3, start=50), agent_mapping_id=world.another_agent())

    world.run()

    row = gone.row()
    assert (row["status"], row["error_message"]) == (
        "failed",
        "The provider no longer has the batch's agent: make a new batch with another one",
    )
    assert gone.counters() == {"skipped": 30}
    assert {contact["reason"] for contact in gone.contacts()} == {
        "Batch failed: The provider no longer has the batch's agent: make a new batch with another one"
    }
    assert gone.stats()["accepted"] == 0
    assert_all_called_once(there, 3)


def test_a_404_while_the_agent_is_there_holds_the_contacts_back(world: World) -> None:
    world.simulator.add_fault("refuse", status=404, body={"detail": "Not found."})
    batch = world.create(2)

    world.run_until(lambda: settled(batch))

    assert_put_back(batch, "refused", 60, contacts=2)
    assert batch.status == "processing"


def test_a_provider_that_cannot_be_reached_leaves_everybody_in_the_queue(
    world: World, change_settings: Settings
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    change_settings(ULTRAVOX_BASE_URL=f"http://127.0.0.1:{port}")
    batch = world.create(3)

    world.run_until(lambda: settled(batch))

    assert_put_back(batch, "unreachable", 30, contacts=3)
    change_settings(ULTRAVOX_BASE_URL=world.simulator.base_url)
    let_time_pass(batch)
    world.run()
    assert_all_called_once(batch, 3)


def test_an_answer_that_a_database_cannot_hold_settles_all_the_same(world: World) -> None:
    world.simulator.add_fault("refuse", {"times": 1}, status=400, body={"detail": "a\0b"})
    world.simulator.add_fault("refuse", {"times": 1}, status=429, body="\0", headers={"Retry-After": "9" * 400})
    batch = world.create(2)

    world.run_until(lambda: settled(batch))

    assert sorted(call["dial_result"] for call in batch.calls()) == ["refused", "throttled"]
