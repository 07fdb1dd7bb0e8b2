"""From the first claim to the last event: what people do on the phone, and however it comes to be known."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.dialer.harness import Batch, doing
from tests.factories import fictional_numbers
from tests.sql.checks import assert_sound

if TYPE_CHECKING:
    from tests.dialer.harness import World

# outcome at the provider: status, outcome and attempts of the contact, who has two attempts
PEOPLE = {
    "answered": ("completed", "answered", 1),
    "voicemail": ("completed", "answered", 1),
    "no_answer": ("failed", "no_answer", 2),
    "unavailable": ("failed", "no_answer", 2),
    "busy": ("failed", "busy", 2),
    "rejected": ("failed", "rejected", 1),
    "invalid_number": ("failed", "invalid_number", 1),
    "dropped": ("failed", "dropped", 2),
    "connection_error": ("failed", "error", 2),
    "system_error": ("failed", "error", 2),
}


def assert_called_once_each(batch: Batch, contacts: int) -> None:
    """By the oracle, and by our own rows."""
    stats = batch.stats()
    assert (stats["accepted"], stats["double_dials"], stats["most_calls_per_contact"]) == (contacts, 0, 1)
    assert batch.status == "completed"
    assert batch.counters() == {"completed": contacts}
    assert_sound(batch.world.db)


def test_everybody_on_the_list_is_called_and_the_batch_completes(world: World) -> None:
    batch = world.create(50)

    figures = world.run()

    assert (figures["batches_processed"], figures["calls_initiated"], figures["calls_failed"]) == (1, 50, 0)
    assert_called_once_each(batch, 50)


def test_every_kind_of_person_comes_to_the_end_that_is_theirs(world: World) -> None:
    world.db.execute(
        "update public.agency_phone_numbers set provider = 'sip', sip_domain = 'carrier.example' where agency_id = %s",
        [world.agency.id],
    )
    numbers = dict(zip(PEOPLE, fictional_numbers(len(PEOPLE)), strict=True))
    world.simulator.configure(people_by_number={number: doing(person) for person, number in numbers.items()})
    batch = world.create(numbers.values(), retry={"max_attempts": 2, "delay_minutes": 0.002})

    world.run()

    ended = {
        person: tuple(batch.contact(number)[name] for name in ("status", "outcome", "attempts"))
        for person, number in numbers.items()
    }
    assert ended == PEOPLE
    assert batch.counters() == {"completed": 2, "failed": 8}
    assert all(contact["reason"] for contact in batch.contacts())
    assert batch.contact(numbers["answered"])["duration_seconds"] is not None
    stats = batch.stats()
    assert (stats["accepted"], stats["double_dials"], stats["most_calls_per_contact"]) == (16, 0, 2)


def test_a_retry_waits_longer_each_time_and_never_comes_early(world: World) -> None:
    world.simulator.configure(people=doing("no_answer"))
    batch = world.create(3, retry={"max_attempts": 3, "delay_minutes": 0.25 / 60, "growth": 2})

    world.run()

    assert {(contact["status"], contact["attempts"]) for contact in batch.contacts()} == {("failed", 3)}
    for contact in batch.contacts():
        first, second, third = batch.calls(contact["phone_number"])
        assert second["claimed_at"] - first["news_at"] >= timedelta(seconds=0.25)
        assert third["claimed_at"] - second["news_at"] >= timedelta(seconds=0.5)
    for event, call in zip(batch.events("requeued"), batch.events("begun")[3:], strict=True):
        assert call["at"] >= datetime.fromisoformat(event["detail"]["until"])


def test_a_contacts_own_attempts_come_before_the_batchs(world: World) -> None:
    world.simulator.configure(people=doing("no_answer"))
    one, three = (
        {"phone_number": number, "max_attempts": n} for number, n in zip(fictional_numbers(2), (1, 3), strict=True)
    )
    batch = world.create([one, three], retry={"max_attempts": 2, "delay_minutes": 0.001, "growth": 1})

    world.run()

    assert [contact["attempts"] for contact in batch.contacts()] == [1, 3]
    assert batch.stats()["accepted"] == 4


def test_an_outcome_that_the_batch_does_not_retry_is_final(world: World) -> None:
    world.simulator.configure(people=doing("no_answer"))
    batch = world.create(2, retry={"on": ["busy"]})

    world.run()

    assert batch.counters() == {"failed": 2}
    assert batch.stats()["accepted"] == 2


def test_events_may_come_twice_and_in_any_order(world: World) -> None:
    world.simulator.configure(webhooks={"duplicate_rate": 0.7, "delay_seconds": (0.0, 0.6)})
    batch = world.create(40)

    world.run()

    assert_called_once_each(batch, 40)
    assert all(call["joined_at"] <= call["ended_at"] for call in batch.calls())


@pytest.mark.usefixtures("_short")
def test_events_that_are_lost_are_asked_for(world: World) -> None:
    world.simulator.configure(webhooks={"lose_rate": 0.5})
    batch = world.create(20)

    world.run()

    assert batch.stats()["webhooks"]["lost"] > 0
    assert_called_once_each(batch, 20)


@pytest.mark.usefixtures("_short")
def test_without_a_webhook_secret_no_events_are_asked_for_and_every_call_is(world: World) -> None:
    world.forget("ultravox-webhook-secret")
    batch = world.create(12)

    world.run()

    assert_called_once_each(batch, 12)
    stats = batch.stats()["webhooks"]
    assert not any(stats.values())
    url = f"{world.simulator.base_url}/api/calls/{batch.calls()[0]['ultravox_call_id']}"
    asked = httpx.get(url, headers={"X-API-Key": world.key}).json()
    assert not asked.get("callbacks")


def test_a_call_that_goes_on_is_left_alone(world: World) -> None:
    world.simulator.configure(people=doing("answered", talk_seconds=(600, 600)))
    batch = world.create(5)

    world.run_until(lambda: [call["status"] for call in batch.calls()] == ["answered"] * 5)

    assert batch.counters() == {"in_progress": 5}
    for call in world.dialled():
        world.simulator.end_call(call["ultravox_call_id"])
    world.run()
    assert_called_once_each(batch, 5)
