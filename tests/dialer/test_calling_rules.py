"""Calling hours and the rules about a number while workers dial: what the provider's side saw."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.dialer.harness import doing
from tests.factories import fictional_numbers
from tests.sql.checks import assert_sound

if TYPE_CHECKING:
    from tests.dialer.harness import World

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def hours_around_now(world: World, opens_in: int, closes_in: int) -> dict[str, Any]:
    """Hours in UTC that open and close so many minutes from now, every day."""
    now = world.value("select clock_timestamp() at time zone 'UTC'")
    window = [f"{now + timedelta(minutes=minutes):%H:%M}" for minutes in (opens_in, closes_in)]
    return {"timezone": "UTC", "weekly": {day: [window] for day in DAYS}, "holidays": []}


def test_two_batches_with_the_same_people_dialled_at_once_call_each_of_them_once(world: World) -> None:
    spare = "update public.agencies set max_daily_calls_per_number = 3, minutes_between_batches = 60 where id = %s"
    world.db.execute(spare, [world.agency.id])
    world.simulator.configure(people=doing("answered"))
    numbers = fictional_numbers(60)
    batches = [world.create(numbers), world.create(list(reversed(numbers)))]

    with world.worker(20) as one, world.worker(20) as another:
        initiated = [worker.result()["calls_initiated"] for worker in (one, another)]

    assert sum(initiated) == 60
    stats = world.stats()
    assert (stats["accepted"], stats["double_dials"], stats["most_calls_per_number"]) == (60, 0, 1)
    for batch in batches:
        row = batch.row()
        assert (row["status"], row["completed"] + row["queued"]) == ("processing", 60)
        waiting = [contact for contact in batch.contacts() if contact["status"] == "queued"]
        assert {contact["reason"] for contact in waiting} == {"Called for another batch a short while ago"}
        assert row["waiting_until"] == min(contact["next_attempt_at"] for contact in waiting)
    assert_sound(world.db)


def test_nobody_is_called_three_times_a_day_and_once_more(world: World) -> None:
    world.db.execute("update public.agencies set max_daily_calls_per_number = 3 where id = %s", [world.agency.id])
    world.simulator.configure(people=doing("no_answer"))
    batch = world.create(fictional_numbers(5), retry={"max_attempts": 8, "delay_minutes": 0.002, "growth": 1})

    world.run(20)

    stats = batch.stats()
    assert (stats["accepted"], stats["most_calls_per_number"], stats["double_dials"]) == (15, 3, 0)
    assert {contact["status"] for contact in batch.contacts()} == {"queued"}


def test_a_run_ends_early_when_everybody_waits_for_calling_hours(world: World) -> None:
    batch = world.create(3, calling_hours=hours_around_now(world, 120, 240))

    figures = world.run(60)  # a minute, were it not for the hours

    assert (figures["turns"], figures["calls_initiated"], batch.stats()["accepted"]) == (1, 0, 0)
    assert (batch.status, batch.row()["waiting_until"] is not None) == ("processing", True)


def test_whose_hours_are_open_is_called_and_the_rest_waits(world: World) -> None:
    numbers = fictional_numbers(6)
    closed = world.create(numbers[:3], calling_hours=hours_around_now(world, 120, 240))
    opened = world.create(numbers[3:], calling_hours=hours_around_now(world, -120, 120))

    world.run(20)

    assert (opened.status, opened.stats()["accepted"]) == ("completed", 3)
    assert (closed.status, closed.stats()["accepted"]) == ("processing", 0)
