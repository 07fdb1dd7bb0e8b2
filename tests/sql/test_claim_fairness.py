from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.sql.checks import assert_sound
from tests.sql.world import World

if TYPE_CHECKING:
    from uuid import UUID

    from tests.factories import Connection


def claim_for_all(connection: Connection, limit: int) -> Counter[object]:
    """How many calls of each agency one claim took."""
    answer = World(connection).verb("claim_calls", p_worker="worker", p_limit=limit, p_lease_seconds=60)
    return Counter(order["agency_id"] for order in answer["calls"])


def in_progress(world: World, batches: list[UUID]) -> list[int]:
    return [world.batch(batch_id)["in_progress"] for batch_id in batches]


def test_batches_share_the_agencys_slots_equally(connection: Connection) -> None:
    world = World(connection, max_calls_per_minute=60_000, max_concurrent_calls=9)
    batches = [world.create(1000), world.create(20), world.create(20)]

    world.claim()

    assert in_progress(world, batches) == [3, 3, 3]
    assert_sound(connection)


def test_what_a_small_batch_does_not_use_is_left_to_the_others(connection: Connection) -> None:
    world = World(connection, max_calls_per_minute=60_000, max_concurrent_calls=10)
    batches = [world.create(100), world.create(1), world.create(100, max_concurrent=2)]

    world.claim()

    assert in_progress(world, batches) == [7, 1, 2]


def test_batches_share_a_small_pace_equally_over_time(connection: Connection) -> None:
    world = World(connection, max_calls_per_minute=60)
    batches = [world.create(100), world.create(100), world.create(100)]

    for _ in range(30):
        assert len(world.dial()) == 1
        world.move_clock(1.01)

    assert in_progress(world, batches) == [10, 10, 10]


def test_a_batch_that_starts_later_gets_its_share_at_once(connection: Connection) -> None:
    world = World(connection, max_calls_per_minute=60)
    world.create(100)
    for _ in range(10):
        world.dial()
        world.move_clock(1.01)

    late = world.processing(100)
    for _ in range(10):
        world.dial()
        world.move_clock(1.01)

    assert world.batch(late)["in_progress"] == 10


@pytest.mark.parametrize("limit", [6, 7])
def test_agencies_share_a_claim_equally(connection: Connection, limit: int) -> None:
    worlds = [World(connection) for _ in range(3)]
    for world in worlds:
        world.create(100)

    claimed = claim_for_all(connection, limit)

    assert sorted(claimed.values()) == [limit // 3, limit // 3, limit - 2 * (limit // 3)]


def test_a_claim_that_its_own_limit_cut_short_is_to_be_repeated_at_once(connection: Connection) -> None:
    World(connection).create(1)
    World(connection).create(100)

    answer = World(connection).verb("claim_calls", p_worker="worker", p_limit=10, p_lease_seconds=60)

    assert (answer["next_claim_in"], len(answer["calls"]) >= 6) == (0, True)


def test_more_agencies_than_a_claim_takes_calls_all_come_to_their_turn(connection: Connection) -> None:
    for _ in range(4):
        World(connection, max_calls_per_minute=60).create(10)

    claimed = Counter[object]()
    for _ in range(100):
        claimed += claim_for_all(connection, 2)

    assert sorted(claimed.values()) == [1, 1, 1, 1]


@pytest.mark.parametrize("limit", [1, 2])
def test_an_agency_without_limits_does_not_starve_the_others_of_a_small_claim(
    connection: Connection, limit: int
) -> None:
    worlds = [World(connection) for _ in range(3)]
    for world in worlds:
        world.create(100)

    claimed = Counter[object]()
    for _ in range(60):
        claimed += claim_for_all(connection, limit)

    assert sum(claimed.values()) == 60 * limit
    assert all(claimed[str(world.agency.id)] >= 5 * limit for world in worlds)


def test_a_worker_that_may_claim_nothing_does_not_spin(connection: Connection) -> None:
    World(connection).create(10)

    answer = World(connection).verb("claim_calls", p_worker="worker", p_limit=0, p_lease_seconds=60)

    assert (answer["calls"], answer["next_claim_in"], answer["waiting_for_slot"]) == ([], None, True)
