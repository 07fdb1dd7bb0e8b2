"""How often a user or an API key may ask for what writes: so many times in any minute."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest

from tests.factories import make_user
from tests.sql.races import Race
from tests.sql.world import World, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.factories import Connection

SECRET_HASH = "ab" * 32


@pytest.fixture
def world(connection: Connection) -> World:
    return World(connection, max_requests_per_minute=3)


def by_user(world: World, user_id: object = None, *, writes: bool = True) -> dict[str, object]:
    return {"p_user_id": user_id or world.agency.owner, "p_writes": writes}


def as_user(world: World, user_id: object = None, *, writes: bool = True) -> Any:
    return world.verb("authorize", **by_user(world, user_id, writes=writes))


def as_key(world: World) -> partial[Any]:
    key = world.verb(
        "create_api_key", p_user_id=world.agency.admin, p_name="CRM", p_secret_hash=SECRET_HASH, p_seed="seed"
    )
    return partial(world.verb, "authorize_api_key", p_api_key=key["api_key"], p_secret_hash=SECRET_HASH)


def places(world: World) -> list[object]:
    """The places that have a row, of the agency's owner."""
    statement = "select place from public.counted_requests where caller_id = %s order by place"
    return [row[0] for row in world.connection.execute(statement, [world.agency.owner])]


def every_row(world: World) -> list[tuple[object, ...]]:
    return world.connection.execute("select caller_id, place from public.counted_requests order by 1, 2").fetchall()


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


def test_a_request_that_is_refused_further_on_gives_its_place_back(world: World) -> None:
    for _ in range(5):
        with pytest.raises(psycopg.Error, match="User role is not"):
            as_user(world, world.agency.member)

    as_user(world, world.agency.member, writes=False)


def test_over_the_limit_the_role_is_not_looked_at(world: World) -> None:
    member = partial(as_user, world, world.agency.member)
    for _ in range(3):
        member(writes=False)

    waits(member)


def test_a_stranger_leaves_no_row(world: World) -> None:
    as_key(world)
    before = every_row(world)
    nobody = uuid4()
    asked: list[tuple[str, dict[str, object]]] = [
        ("authorize", {"p_user_id": nobody, "p_writes": True}),
        ("authorize", {"p_user_id": make_user(world.connection, None), "p_writes": True}),
        ("authorize_api_key", {"p_api_key": "bl_key_unknown", "p_secret_hash": SECRET_HASH}),
        ("authorize_api_key", {"p_api_key": world.all("api_keys")[0]["api_key"], "p_secret_hash": "cd" * 32}),
    ]

    for verb, arguments in asked:
        with pytest.raises(psycopg.Error) as refused:
            world.verb(verb, **arguments)
        assert refusal(refused.value)[0] in ("401", "403")
    assert every_row(world) == before


def test_a_caller_leaves_no_more_rows_than_their_limit(world: World) -> None:
    for _ in range(4):
        for _ in range(3):
            as_user(world)
        world.move_clock(60)
    as_user(world)

    assert places(world) == [0, 1, 2]


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


def test_while_all_places_are_those_of_requests_in_flight_the_next_is_told_a_minute(
    connect: Callable[[], Connection],
) -> None:
    first = World(connect(), max_requests_per_minute=2)
    second, third = World(connect(), first.agency), World(connect(), first.agency)
    with second.connection.transaction():
        as_user(second)
        with first.connection.transaction():
            as_user(first)
            with pytest.raises(psycopg.Error, match=r"^More than 2 requests in a minute.* again in 60 s\."):
                as_user(third)
            raise psycopg.Rollback

        as_user(third)  # in the place of the one that was rolled back
        with pytest.raises(psycopg.Error, match=r"^More than 2 requests in a minute"):
            as_user(first)


@pytest.mark.parametrize("caller", ["user", "key"])
def test_of_many_requests_at_once_exactly_as_many_pass_as_are_allowed(
    connect: Callable[[], Connection], caller: str
) -> None:
    ours = World(connect(), max_requests_per_minute=50)
    verb, given = ("authorize_api_key", as_key(ours).keywords) if caller == "key" else ("authorize", by_user(ours))
    sessions = [World(connect(), ours.agency) for _ in range(8)]
    together = Barrier(len(sessions))

    def passed(session: World) -> int:
        together.wait(20)
        return sum(_passes(session, verb, given) for _ in range(20))

    with ThreadPoolExecutor(len(sessions)) as pool:
        assert sum(pool.map(passed, sessions, timeout=60)) == 50


def test_of_one_agency_so_many_wait_for_each_other_and_what_more_come_are_refused(
    connect: Callable[[], Connection],
) -> None:
    ours = World(connect())
    batch_ids = [ours.batch_in("draft") for _ in range(10)]
    another = World(connect())
    elsewhere = another.batch_in("draft")
    *patient, last = [World(connect(), ours.agency) for _ in range(9)]

    with ThreadPoolExecutor(8) as pool, ours.connection.transaction():
        ours.execute(batch_ids[0])
        waiting = [
            Race(pool, another.connection, session, partial(session.execute, batch_id))
            for session, batch_id in zip(patient, batch_ids[1:9], strict=True)
        ]
        for one in waiting:
            one.wait_until_blocked()
        with pytest.raises(psycopg.Error, match=r"^Too much is being changed at once") as refused:
            last.execute(batch_ids[9])
        assert refusal(refused.value) == ("429", "agency_busy")
        another.execute(elsewhere)

    assert [one.result()["status"] for one in waiting] == ["pending"] * 8
    assert last.execute(batch_ids[9])["status"] == "pending"


def _passes(session: World, verb: str, given: dict[str, Any]) -> bool:
    try:
        session.verb(verb, **given)
    except psycopg.Error as error:
        if refusal(error) != ("429", "too_many_requests"):
            raise
        return False
    return True
