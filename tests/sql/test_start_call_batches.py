from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.factories import forbid_number
from tests.sql.checks import assert_sound
from tests.sql.world import BATCH_STATES, World

if TYPE_CHECKING:
    from uuid import UUID


def start(world: World) -> str | None:
    return world.verb("start_call_batches", p_agency_id=world.agency.id)


def test_a_pending_batch_starts_and_its_contacts_are_queued(world: World) -> None:
    batch_id = world.create(2)

    start(world)

    batch = world.batch(batch_id)
    assert (batch["status"], batch["queued"], batch["pending"]) == ("processing", 2, 0)
    assert {contact["next_attempt_at"] for contact in world.contacts(batch_id)} == {batch["started_at"]}
    assert len(world.events(batch_id=batch_id, event="started")) == 1
    assert_sound(world.connection)


def test_a_scheduled_batch_starts_at_its_time_and_never_early(world: World) -> None:
    batch_id = world.create(1, scheduled_for=world.time(60))

    world.move_clock(59.8)
    assert start(world) is not None
    assert world.batch(batch_id)["status"] == "scheduled"
    world.move_clock(0.3)
    assert start(world) is None
    assert world.batch(batch_id)["status"] == "processing"


@pytest.mark.parametrize("status", [status for status in BATCH_STATES if status != "pending"])
def test_starting_does_not_change_a_batch_that_is(world: World, status: str) -> None:
    world.batch_in(status)
    before = world.snapshot()

    start(world)

    assert world.snapshot() == before


def test_starting_twice_changes_nothing(world: World) -> None:
    world.create(1)
    start(world)
    before = world.snapshot()

    start(world)

    assert world.snapshot() == before


def test_the_answer_is_when_the_next_scheduled_batch_is_due(world: World) -> None:
    later, sooner = world.time(7200), world.time(3600)
    world.create(1, scheduled_for=later)
    world.create(1, scheduled_for=sooner)

    answer = start(world)

    assert getattr(answer, "isoformat", str)() == sooner


def test_other_agencies_batches_are_left_alone(world: World) -> None:
    other = World(world.connection)
    batch_id: UUID = other.create(1)

    start(world)

    assert other.batch(batch_id)["status"] == "pending"


def test_a_batch_with_nobody_to_call_completes_as_it_starts(world: World) -> None:
    forbid_number(world.connection, world.agency.id, "+12135550123")
    batch_id = world.create(["+12135550123"])

    start(world)

    batch = world.batch(batch_id)
    assert (batch["status"], batch["skipped"]) == ("completed", 1)
    assert batch["started_at"] is not None
    assert_sound(world.connection)
