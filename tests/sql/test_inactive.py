"""An agent or a caller id that is made inactive stops its batches, with the reason, until it is active again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.factories import make_agent_mapping
from tests.sql.checks import assert_sound
from tests.sql.world import World, refusal

if TYPE_CHECKING:
    from uuid import UUID

AGENT, NUMBER = "agent", "number"
SENTENCES = {
    AGENT: "The agent of the batch is not active: activate it, then resume the batch",
    NUMBER: "The number that the batch calls from is not active: activate it, then resume the batch",
}
either = pytest.mark.parametrize("which", SENTENCES)


def set_active(world: World, which: str, active: bool) -> None:
    if which == AGENT:
        world.set("agent_mappings", world.agency.agent_mapping_id, active=active)
    else:
        statement = "update public.agency_phone_numbers set active = %s where agency_id = %s"
        world.connection.execute(statement, [active, world.agency.id])


@either
def test_its_batches_are_paused_at_the_next_claim_with_what_to_do(world: World, which: str) -> None:
    batch_id = world.processing(3)
    world.claim(1, lease=600)
    set_active(world, which, False)

    assert world.claim() == []

    batch = world.batch(batch_id)
    assert (batch["status"], batch["error_message"], batch["queued"]) == ("paused", SENTENCES[which], 3)
    (event,) = world.events(batch_id=batch_id, event="paused")
    assert (event["reason"], event["detail"]) == (SENTENCES[which], {"rule": "inactive"})
    assert_sound(world.connection)


@either
def test_nothing_begins_between(world: World, which: str) -> None:
    world.processing(1)
    claimed = world.claim()
    set_active(world, which, False)

    assert world.begin(claimed) == []

    contact = world.contact_of(claimed[0])
    assert (contact["status"], contact["attempts"]) == ("queued", 0)
    assert contact["reason"] == "Not begun: the agent or the number of the batch is not active"


@either
def test_a_batch_that_starts_later_is_paused_at_its_start(world: World, which: str) -> None:
    batch_id = world.create(1)
    set_active(world, which, False)

    world.start()

    assert world.batch(batch_id)["status"] == "paused"


def test_a_batch_with_another_agent_goes_on(world: World) -> None:
    another = make_agent_mapping(world.connection, world.agency.id)
    stopped, going_on = world.processing(1), world.processing(1, agent_mapping_id=str(another))
    set_active(world, AGENT, False)

    (call_id,) = world.dial()

    assert [world.batch(one)["status"] for one in (stopped, going_on)] == ["paused", "processing"]
    assert world.call(call_id)["batch_id"] == str(going_on)


@either
@pytest.mark.parametrize("status", ["processing", "scheduled"])
def test_resuming_is_refused_until_it_is_active_again(world: World, which: str, status: str) -> None:
    batch_id = world.batch_in(status)
    world.pause(batch_id)
    set_active(world, which, False)

    with pytest.raises(psycopg.Error, match="is not active: activate it") as error:
        world.resume(batch_id)
    assert refusal(error.value) == ("400", "batch_not_resumable")
    assert world.batch(batch_id)["status"] == "paused"

    set_active(world, which, True)
    assert world.resume(batch_id)["status"] == status


def test_a_number_that_is_gone_stops_its_batches_as_an_inactive_one(world: World) -> None:
    batch_id: UUID = world.processing(1)
    world.connection.execute("delete from public.agency_phone_numbers where agency_id = %s", [world.agency.id])

    assert world.claim() == []

    assert world.batch(batch_id)["error_message"] == SENTENCES[NUMBER]
