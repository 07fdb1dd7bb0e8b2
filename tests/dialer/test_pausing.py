"""A person pauses or cancels a batch while a processor is at work on it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from tests.dialer.harness import doing, until
from tests.sql.checks import assert_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.dialer.harness import Batch, Row, World


@contextmanager
def running(world: World) -> Generator[Callable[[], Row]]:
    """A run of the processor in a thread of its own; what waits for its figures."""
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(world.run)
        yield run.result


def begun_at_the_time_of(decision: datetime, batch: Batch) -> set[str]:
    """The ids of the calls that were `dialing`, or further, when a decision was taken."""
    return {str(call["id"]) for call in batch.calls() if call["began_at"] and call["began_at"] <= decision}


def may_be_at_the_provider(decision: datetime, batch: Batch) -> int:
    """How many calls had begun and not ended by then."""
    began, ended = (
        {event["call_id"] for event in batch.events(name) if event["at"] <= decision} for name in ("begun", "ended")
    )
    return len(began - ended)


@pytest.fixture
def batch(world: World) -> Batch:
    """Some seconds of dialling: 25 calls a second, each of which takes half a second."""
    world.simulator.configure(people=doing("answered", talk_seconds=(0.3, 0.6)))
    return world.create(80, calls_per_minute=1500)


def test_after_a_pause_the_provider_accepts_only_what_was_being_dialled(world: World, batch: Batch) -> None:
    with running(world) as figures:
        until(lambda: batch.stats()["accepted"] >= 20)
        answer = batch.pause()
        figures()  # it stays for the live calls, and leaves when they have ended

    paused_at = datetime.fromisoformat(answer["paused_at"])
    accepted = {call["call_id"] for call in world.dialled()}
    assert 20 <= len(accepted) < 80
    assert accepted <= begun_at_the_time_of(paused_at, batch)
    assert answer["in_progress"] == may_be_at_the_provider(paused_at, batch)
    assert batch.status == "paused"
    assert batch.counters() == {"completed": len(accepted), "queued": 80 - len(accepted)}
    assert_sound(world.db)

    batch.resume()
    world.run()
    stats = batch.stats()
    assert (stats["accepted"], stats["double_dials"], stats["most_calls_per_contact"]) == (80, 0, 1)
    assert (batch.status, batch.counters()) == ("completed", {"completed": 80})


def test_after_a_cancel_the_provider_accepts_only_what_was_being_dialled(world: World, batch: Batch) -> None:
    with running(world) as figures:
        until(lambda: batch.stats()["accepted"] >= 20)
        answer = batch.cancel()
        figures()

    row = batch.row()
    accepted = {call["call_id"] for call in world.dialled()}
    assert accepted <= begun_at_the_time_of(row["completed_at"], batch)
    assert answer["contacts_skipped"] == 80 - len(accepted)
    assert (row["status"], row["error_message"]) == ("cancelled", "Cancelled by user")
    assert batch.counters() == {"completed": len(accepted), "skipped": 80 - len(accepted)}
    assert row["completed_at"] < max(call["ended_at"] for call in batch.calls() if call["ended_at"])
    assert_sound(world.db)


def test_a_paused_batch_whose_last_calls_end_is_completed(world: World) -> None:
    world.simulator.configure(people=doing("answered", talk_seconds=(600, 600)))
    batch = world.create(5)

    with running(world) as figures:
        until(lambda: [call["status"] for call in batch.calls()] == ["answered"] * 5)
        assert batch.pause()["in_progress"] == 5
        for call in world.dialled():
            world.simulator.end_call(call["ultravox_call_id"])
        figures()

    assert (batch.status, batch.counters()) == ("completed", {"completed": 5})


def test_a_retry_of_a_paused_batch_waits_for_its_resumption(world: World) -> None:
    world.simulator.configure(people=doing("busy", ring_seconds=(600, 600)))
    batch = world.create(3, retry={"max_attempts": 2, "delay_minutes": 0.001})

    with running(world) as figures:
        until(lambda: [call["status"] for call in batch.calls()] == ["ringing"] * 3)
        batch.pause()
        for call in world.dialled():
            world.simulator.end_call(call["ultravox_call_id"], "unjoined", "busy")
        figures()
    assert (batch.status, batch.counters()) == ("paused", {"queued": 3})

    world.simulator.configure(people=doing("answered"))
    batch.resume()
    world.run()
    assert (batch.status, batch.counters()) == ("completed", {"completed": 3})
    assert batch.stats()["accepted"] == 6
