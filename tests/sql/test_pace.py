"""A worker's loop in moved time: it sleeps as each claim tells it to, and the windows hold exactly by began_at."""

from __future__ import annotations

from bisect import bisect_right
from random import Random
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.sql.world import World

if TYPE_CHECKING:
    from tests.factories import Connection

POLL = 0.25  # what a worker sleeps at most while contacts wait for a slot


def most_in(seconds: float, times: list[float]) -> int:
    """The most starts in any half-open window of so many seconds."""
    return max(i - bisect_right(times, time - seconds) + 1 for i, time in enumerate(times))


def starts(world: World) -> list[float]:
    statement = """
        select extract(epoch from began_at)::float8 from public.calls where agency_id = %s and began_at is not null
        order by began_at
    """
    return [cast("float", row[0]) for row in world.connection.execute(statement, [world.agency.id])]


def run(world: World, seconds: float, hesitate: Random | None = None) -> int:
    """Claims, begins and sleeps for so long; returns the turns it took. `hesitate`: between claim and begin too."""
    slept, turns, idle = 0.0, 0, 0
    while slept < seconds:
        answer = world.claim_answer()
        turns += 1
        if hesitate:
            world.move_clock(hesitate.choice([0, 0.002, 0.05, 0.4]))
        world.begin([order["call_id"] for order in answer["calls"]])
        sleep = sleep_of(answer)
        # A place may open while the answer is made; but not again and again.
        idle = idle + 1 if sleep == 0 and not answer["calls"] else 0
        assert idle < 3, "claims of nothing, each to be repeated at once"
        world.move_clock(sleep)
        slept += sleep
    return turns


def sleep_of(answer: dict[str, Any]) -> float:
    named = 60 if answer["next_claim_in"] is None else answer["next_claim_in"]
    return min(named, POLL) if answer["waiting_for_slot"] else named


@pytest.mark.parametrize(("pace", "share"), [(20, 1), (60, 1), (90, 2), (600, 10)])
def test_no_window_is_exceeded_and_little_of_the_pace_is_lost(world: World, pace: int, share: int) -> None:
    world.processing(4 * pace, calls_per_minute=pace)

    turns = run(world, 59.9)
    begun_in_a_minute = len(starts(world))
    run(world, 12)

    times = starts(world)
    assert most_in(60, times) <= pace
    assert most_in(1, times) <= share
    assert begun_in_a_minute >= 0.9 * pace  # a tick against the windows would lose half; the benchmark is stricter
    assert turns <= 2.5 * 60


def test_the_windows_hold_for_workers_that_hesitate_between_claim_and_begin(world: World) -> None:
    world.processing(400, calls_per_minute=90)

    run(world, 70, hesitate=Random(7))  # noqa: S311

    times = starts(world)
    assert most_in(60, times) <= 90
    assert most_in(1, times) <= 2


def test_the_agencys_windows_hold_over_all_its_batches(connection: Connection) -> None:
    world = World(connection, max_calls_per_minute=90)
    for _ in range(3):
        world.create(100, calls_per_minute=60)

    run(world, 65)

    times = starts(world)
    assert most_in(60, times) == 90
    assert most_in(1, times) <= 2
