"""Two processors at once, as processes: nobody twice, and no limit exceeded, by the oracle and by the rows."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from local.simulator.oracle import most_in_any
from tests.dialer.harness import Batch, doing, until
from tests.factories import fictional_numbers
from tests.sql.checks import assert_sound

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.dialer.harness import Row, World


def most_begun(calls: Iterable[Row], seconds: float) -> int:
    """The most calls that began in any so many seconds."""
    return most_in_any([call["began_at"].timestamp() for call in calls if call["began_at"]], seconds)


def assert_within_limits(batch: Batch) -> None:
    row, calls, stats = batch.row(), batch.calls(), batch.stats()
    assert most_begun(calls, 60) <= row["calls_per_minute"]
    assert most_begun(calls, 1) <= ceil(row["calls_per_minute"] / 60)
    assert stats["most_concurrent"] <= row["max_concurrent"]


def test_two_thousand_people_are_called_once_each(world: World) -> None:
    world.simulator.configure(people=doing("no_answer", no_answer_seconds=0.3), billed_after_seconds=3600)
    batch = world.create(2000, retry={"max_attempts": 1}, calls_per_minute=12_000, max_concurrent=150)

    with world.worker() as one, world.worker() as another:
        figures = [one.result(), another.result()]

    stats = batch.stats()
    assert (stats["accepted"], stats["double_dials"], stats["most_calls_per_contact"]) == (2000, 0, 1)
    assert batch.counters() == {"failed": 2000}
    assert batch.status == "completed"
    assert all(figure["calls_initiated"] > 200 for figure in figures)
    assert sum(figure["calls_initiated"] for figure in figures) == 2000
    assert_within_limits(batch)
    assert_sound(world.db)


def test_two_batches_share_numbers_and_the_agencys_limits(world: World) -> None:
    limits = "update public.agencies set max_calls_per_minute = 1500, max_concurrent_calls = 18 where id = %s"
    world.db.execute(limits, [world.agency.id])
    world.simulator.configure(people=doing("answered", ring_seconds=(0.05, 0.2), talk_seconds=(0.1, 0.4)))
    numbers = fictional_numbers(150)
    pace = {"calls_per_minute": 1000, "max_concurrent": 12}
    slow = world.create(fictional_numbers(10, start=200), calls_per_minute=4)
    batches = [world.create(numbers[:100], **pace), world.create(numbers[50:], **pace)]

    with world.worker() as one, world.worker() as another:
        until(lambda: all(batch.status == "completed" for batch in batches))
        assert slow.stats()["accepted"] == 4  # and no more for the rest of the minute
        slow.cancel()
        assert sum(worker.result()["calls_initiated"] for worker in (one, another)) == 204

    for batch in batches:
        stats = batch.stats()
        assert (stats["accepted"], stats["most_calls_per_contact"]) == (100, 1)
        assert batch.counters() == {"completed": 100}
        assert_within_limits(batch)
    assert_within_limits(slow)
    assert slow.counters() == {"completed": 4, "skipped": 6}
    stats = world.stats()
    assert (stats["accepted"], stats["double_dials"], stats["most_calls_per_number"]) == (204, 0, 2)
    assert stats["most_concurrent"] <= 18
    assert most_begun(world.calls(), 1) <= 25
    assert_sound(world.db)
