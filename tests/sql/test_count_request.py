"""How often a user or an API key may ask for what writes: so many times in any minute."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.sql.world import World, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.factories import Connection

SECRET_HASH = "ab" * 32


@pytest.fixture
def world(connection: Connection) -> World:
    return World(connection, max_requests_per_minute=3)


def as_user(world: World, user_id: object = None, *, writes: bool = True) -> Any:
    return world.verb("authorize", p_user_id=user_id or world.agency.owner, p_writes=writes)


def as_key(world: World) -> Callable[[], Any]:
    key = world.verb(
        "create_api_key", p_user_id=world.agency.admin, p_name="CRM", p_secret_hash=SECRET_HASH, p_seed="seed"
    )
    return partial(world.verb, "authorize_api_key", p_api_key=key["api_key"], p_secret_hash=SECRET_HASH)


def waits(ask: Callable[[], Any]) -> int:
    """The seconds that a refused caller is told to wait."""
    with pytest.raises(
        psycopg.Error, match=r"^More than 3 requests in a minute. Please try again in \d+ s."
    ) as refused:
        ask()
    assert refusal(refused.value) == ("429", "too_many_requests")
    return int(str(refused.value.diag.message_primary).split()[-2])


@pytest.mark.parametrize("caller", ["user", "key"])
def test_one_over_the_limit_is_told_when_the_oldest_of_them_is_a_minute_old(world: World, caller: str) -> None:
    ask = partial(as_user, world) if caller == "user" else as_key(world)
    ask()
    world.move_clock(20)
    ask()
    ask()

    assert waits(ask) == 40
    world.move_clock(39)
    assert waits(ask) == 1
    world.move_clock(1)
    ask()
    assert waits(ask) == 20


def test_each_caller_has_a_limit_of_their_own(world: World) -> None:
    for _ in range(3):
        as_user(world)

    waits(partial(as_user, world))
    as_user(world, world.agency.admin)
    as_key(world)()


def test_a_request_that_is_refused_for_its_role_counts_for_nothing(world: World) -> None:
    for _ in range(5):
        with pytest.raises(psycopg.Error, match="User role is not"):
            as_user(world, world.agency.member)

    as_user(world, world.agency.member, writes=False)


def test_what_is_older_than_a_minute_is_taken_away_by_those_who_come_after(world: World) -> None:
    for _ in range(4):
        for _ in range(3):
            as_user(world)
        world.move_clock(60)
    as_user(world)

    counted = world.connection.execute(
        "select count(*) from public.counted_requests where caller_id = %s", [world.agency.owner]
    ).fetchone()
    assert counted
    assert counted[0] == 1


def test_reading_with_a_key_is_not_counted(world: World) -> None:
    as_key(world)
    credentials = {"p_api_key": world.all("api_keys")[0]["api_key"], "p_secret_hash": SECRET_HASH}

    for _ in range(5):
        world.verb("list_batch_calls", **credentials, p_limit=1, p_offset=0, p_sort_by="name", p_ascending=True)


def test_callers_do_not_wait_for_their_own_earlier_requests(ours: World, theirs: World) -> None:
    with ours.connection.transaction():
        as_user(ours)
        theirs.connection.execute("set lock_timeout = '1ms'")
        as_user(theirs, ours.agency.owner)
