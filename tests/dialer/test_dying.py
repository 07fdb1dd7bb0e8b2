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


@pytest.mark.usefixtures("_short")
def test_a_worker_that_was_frozen_does_not_dial_when_it_wakes(world: World, database_url: str) -> None:
    batch = world.create(5)

    with psycopg.connect(database_url) as holding, world.worker(4) as worker:
        # begin_dial alone reads this list: it waits for us, with everybody claimed.
        holding.execute("lock table public.do_not_call in access exclusive mode")
        until(
            lambda: world.rows("select from pg_locks where not granted and relation = 'public.do_not_call'::regclass")
        )
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
