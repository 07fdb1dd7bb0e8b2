"""Calls that the provider may have deleted, and batches that pause themselves: nobody is called again on a guess."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dialer.harness import doing, until
from tests.sql.checks import assert_sound

if TYPE_CHECKING:
    from tests.dialer.harness import Batch, World

NO_WORD = {"webhooks": {"enabled": False}}


def assert_parked_for_good(batch: Batch, reason: str) -> None:
    """Its one contact was called once, nobody knows how it went, and it is not called again."""
    stats = batch.stats()
    assert (stats["accepted"], stats["most_calls_per_contact"]) == (1, 1)
    (contact,) = batch.contacts()
    assert (contact["status"], contact["outcome"]) == ("failed", "unknown")
    assert contact["reason"] == "We could not learn what became of this call; it was not dialled again."
    assert (batch.call()["status"], batch.call()["reason"]) == ("ended", reason)
    assert batch.status == "completed"
    assert_sound(batch.world.db)


@pytest.mark.usefixtures("_short")
def test_a_call_that_was_deleted_before_we_could_ask_is_not_repeated(world: World) -> None:
    world.simulator.configure(people=doing("answered"), **NO_WORD)
    world.simulator.add_fault("accept_then_500")
    batch = world.create(1)

    with world.worker():
        until(lambda: world.dialled() and world.dialled()[0]["ended_at"])
        world.simulator.delete_call(world.dialled()[0]["ultravox_call_id"])
        until(lambda: batch.status == "completed")

    assert_parked_for_good(batch, "A call was deleted at the provider that may be this one")


@pytest.mark.usefixtures("_short")
def test_calls_of_an_agent_that_deletes_them_are_not_repeated(world: World) -> None:
    agent = {"agentId": world.agent_id, "callTemplate": {"retentionPolicy": "CALL_RETENTION_POLICY_AUTO_DELETE"}}
    world.simulator.add_account(world.key, agents=[agent])
    world.simulator.configure(people=doing("answered"), **NO_WORD)
    world.simulator.add_fault("accept_then_500")
    batch = world.create(1)

    world.run_until(lambda: batch.status == "completed")

    assert world.dialled()[0]["deleted_at"]
    assert_parked_for_good(
        batch, "The agent's calls delete themselves, so the provider cannot tell whether it was placed"
    )


@pytest.mark.usefixtures("_short")
def test_while_deleted_calls_cannot_be_asked_for_nobody_is_called_again(world: World) -> None:
    world.simulator.add_fault("accept_then_500", {"times": 1})
    world.simulator.add_fault("drop_before_accept", {"times": 1})
    world.simulator.add_fault("lookup_outage", {"path": "deleted"})
    batch = world.create(2)

    with world.worker():
        until(lambda: batch.events("asked") and batch.counters() == {"in_progress": 1, "completed": 1})
        assert "/api/deleted_calls" in batch.events("asked")[0]["reason"]
        assert batch.stats()["accepted"] == 1

        world.simulator.clear_faults()
        until(lambda: batch.status == "completed")
    assert (batch.stats()["accepted"], batch.stats()["most_calls_per_contact"]) == (2, 1)


@pytest.mark.usefixtures("_short")
def test_a_provider_that_fails_every_call_pauses_the_batch_and_once_it_is_mended_nobody_was_lost(world: World) -> None:
    world.simulator.add_fault("drop_before_accept")
    batch = world.create(40, max_concurrent=5)

    world.run_until(lambda: batch.status == "paused")

    message = batch.row()["error_message"]
    assert message.startswith("Paused because ")
    assert message.endswith("Mend the cause, then resume the batch.")
    assert len(batch.calls()) < 20
    assert batch.stats()["accepted"] == 0
    world.simulator.clear_faults()
    batch.resume()
    world.run()
    stats = batch.stats()
    assert (stats["accepted"], stats["double_dials"], stats["most_calls_per_contact"]) == (40, 0, 1)
    assert batch.counters() == {"completed": 40}
    assert_sound(world.db)
