from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.factories import make_user
from tests.sql.world import refusal

if TYPE_CHECKING:
    from tests.sql.world import World

RIGHT, WRONG = "ab" * 32, "cd" * 32


def make(world: World, secret_hash: str = RIGHT) -> dict[str, Any]:
    return world.verb(
        "create_api_key", p_user_id=world.agency.owner, p_name="CRM", p_secret_hash=secret_hash, p_seed="seed"
    )


def use(world: World, api_key: str, secret_hash: str = RIGHT) -> Any:
    return world.verb("authorize_api_key", p_api_key=api_key, p_secret_hash=secret_hash)


def last_used(world: World) -> str | None:
    (row,) = world.all("api_keys")
    return row["last_used_at"]


def test_key_and_secret_that_belong_together_open_their_agency(world: World) -> None:
    assert use(world, make(world)["api_key"]) == {"agency_id": str(world.agency.id)}


def test_of_a_wrong_secret_a_strange_key_and_a_revoked_one_nobody_learns_which(world: World) -> None:
    key, other, revoked = make(world), make(world, WRONG), make(world)
    world.verb("revoke_api_key", p_user_id=world.agency.owner, p_id=revoked["id"])

    for api_key, secret_hash in (
        (key["api_key"], WRONG),
        (other["api_key"], RIGHT),
        (revoked["api_key"], RIGHT),
        ("bl_key_of_nobody", RIGHT),
    ):
        with pytest.raises(psycopg.Error, match=r"^Missing or invalid API key or secret") as refused:
            use(world, api_key, secret_hash)
        assert refusal(refused.value) == ("401", "unauthorized")


def test_a_key_outlives_who_made_it(world: World) -> None:
    leaving = make_user(world.connection, world.agency.id)
    key = world.verb("create_api_key", p_user_id=leaving, p_name="CRM", p_secret_hash=RIGHT, p_seed="seed")
    world.connection.execute("delete from auth.users where id = %s", [leaving])

    assert use(world, key["api_key"])
    assert world.all("api_keys")[0]["created_by"] is None


def test_its_last_use_is_kept_to_the_minute(world: World) -> None:
    api_key = make(world)["api_key"]
    assert last_used(world) is None

    use(world, api_key)
    first = last_used(world)
    use(world, api_key)
    assert last_used(world) == first

    world.move_clock(61)
    use(world, api_key)
    assert first
    assert (last_used(world) or "") > first


def test_nobody_waits_for_another_to_write_down_the_last_use(ours: World, theirs: World) -> None:
    api_key = make(ours)["api_key"]

    with ours.connection.transaction():
        use(ours, api_key)
        theirs.connection.execute("set lock_timeout = '1ms'")
        assert use(theirs, api_key) == {"agency_id": str(ours.agency.id)}
