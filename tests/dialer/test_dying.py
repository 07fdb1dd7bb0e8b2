"""A processor that is killed or frozen at work: nobody is called twice, nobody is forgotten, no place is lost."""

from __future__ import annotations

import signal
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.dialer.conftest import SHORT
from tests.dialer.harness import doing, until
from tests.sql.checks import assert_sound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.dialer.conftest import Settings
    from tests.dialer.harness import World


def test_after_a_kill_other_runs_finish_what_it_left(world: World, change_settings: Settings) -> None:
    change_settings(**SHORT | {"WRITE_TIMEOUT_SECONDS": "1", "LEASE_SECONDS": "3.6"})
    world.simulator.configure(people=doing("answered", talk_seconds=(0.1, 0.4)), webhooks={"lose_rate": 0.3})
    world.simulator.add_fault("drop_before_accept", {"rate": 0.2, "times": 6})
    world.simulator.add_fault("slow_201", {"rate": 0.3}, delay_seconds=0.4)
    world.simulator.add_fault("late_accept", {"rate": 0.3}, delay_seconds=0.4)
    batch = world.create(80, calls_per_minute=3000, max_concurrent=40)

    with world.worker() as worker:
        until(lambda: world.stats()["accepted"] >= 20)
        worker.process.kill()
        worker.process.wait()
    left = [call["status"] for call in batch.calls()]
    assert "dialing" in left
    world.run()

    stats = batch.stats()
    assert (stats["accepted"], stats["double_dials"], stats["most_calls_per_contact"]) == (80, 0, 1)
    assert stats["most_concurrent"] <= 40
    assert (batch.status, batch.counters()) == ("completed", {"completed": 80})
    assert not [call for call in batch.calls() if call["is_live"]]
    assert {contact["attempts"] for contact in batch.contacts()} == {1}
    assert_sound(world.db)


@pytest.fixture
def _begin_waits(world: World) -> Iterator[None]:
    """begin_dial, and nothing else, waits for whoever holds the advisory lock 7."""
    world.db.execute("""
        create function public.wait_for_a_test() returns trigger language plpgsql
        as 'begin perform pg_advisory_xact_lock_shared(7); return new; end';
        create trigger begin_waits before update on public.calls for each row
          when (old.status = 'claimed' and new.status = 'dialing') execute function public.wait_for_a_test();
    """)
    yield
    world.db.execute("drop function public.wait_for_a_test() cascade")


@pytest.mark.usefixtures("_short", "_begin_waits")
def test_a_worker_that_was_frozen_does_not_dial_when_it_wakes(world: World, database_url: str) -> None:
    batch = world.create(5)

    with psycopg.connect(database_url) as holding, world.worker(4) as worker:
        # begin_dial waits for us, with everybody claimed.
        holding.execute("select pg_advisory_xact_lock(7)")
        until(lambda: world.rows("select from pg_locks where not granted and locktype = 'advisory' and objid = 7"))
        worker.process.send_signal(signal.SIGSTOP)
        holding.rollback()
        until(lambda: {call["status"] for call in batch.calls()} == {"dialing"})
        dial_by = time.monotonic() + float(SHORT["DIAL_BY_SECONDS"])
        until(lambda: time.monotonic() > dial_by)
        woken_at = world.value("select clock_timestamp()")
        worker.process.send_signal(signal.SIGCONT)
        figures = worker.result()

    frozen = [call for call in batch.calls() if call["began_at"] < woken_at]
    assert [call["dial_result"] for call in frozen] == ["not_sent"] * 5
    assert all(call["news_at"] - woken_at < timedelta(seconds=2) for call in frozen)
    dialled = world.dialled()
    assert not {call["call_id"] for call in dialled} & {str(call["id"]) for call in frozen}
    # Nothing was sent, so it could be dialled again at once, and once.
    assert figures["calls_initiated"] == 10
    stats = batch.stats()
    assert (stats["accepted"], stats["double_dials"], stats["most_calls_per_contact"]) == (5, 0, 1)
    assert (batch.status, batch.counters()) == ("completed", {"completed": 5})
