"""What an operator does to agencies, users and numbers: each may be repeated, and nothing is done to nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest

from tests.factories import make_user
from tests.sql.world import World, refusal

if TYPE_CHECKING:
    from tests.factories import Connection

PHONE = "+12125550142"


def test_an_agency_is_made_once_by_its_id(world: World) -> None:
    agency_id = uuid4()
    made = world.verb("add_agency", p_id=agency_id, p_name="Acme")

    assert made["agency_id"] == str(agency_id)
    assert world.verb("add_agency", p_id=agency_id, p_name="Another") == made


def test_only_the_limits_that_are_given_change(world: World) -> None:
    before = world.verb("set_limits", p_agency_id=world.agency.id)

    after = world.verb("set_limits", p_agency_id=world.agency.id, p_max_requests_per_minute=5, p_max_concurrent_calls=6)

    assert after == before | {"max_requests_per_minute": 5, "max_concurrent_calls": 6}


def test_a_limit_that_allows_nothing_is_none(world: World) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="agency_pace_is_positive"):
        world.verb("set_limits", p_agency_id=world.agency.id, p_max_calls_per_minute=0)


def test_a_user_gets_a_role_and_then_another_and_keeps_their_name(world: World) -> None:
    user_id = make_user(world.connection, None)
    person: dict[str, Any] = {"p_id": user_id, "p_agency_id": world.agency.id, "p_email": "ada@acme.test"}

    world.verb("add_user", **person, p_role="agency_member", p_full_name="Ada")
    changed = world.verb("add_user", **person, p_role="agency_admin")

    assert (changed["role"], changed["full_name"]) == ("agency_admin", "Ada")


def test_a_user_of_another_agency_stays_there(world: World, connection: Connection) -> None:
    theirs = World(connection).agency

    with pytest.raises(psycopg.Error) as error:
        world.verb(
            "add_user", p_id=theirs.owner, p_agency_id=world.agency.id, p_role="agency_owner", p_email="a@b.test"
        )

    assert refusal(error.value) == ("409", "user_of_another_agency")


def test_who_cannot_sign_in_is_no_user(world: World) -> None:
    with pytest.raises(psycopg.Error) as error:
        world.verb("add_user", p_id=uuid4(), p_agency_id=world.agency.id, p_role="agency_owner", p_email="a@b.test")

    assert refusal(error.value) == ("404", "sign_in_not_found")


def test_a_number_given_again_is_active_again_with_its_new_carrier(world: World) -> None:
    number: dict[str, Any] = {"p_agency_id": world.agency.id, "p_phone_number": PHONE}
    first = world.verb("add_number", **number)
    world.connection.execute("update public.agency_phone_numbers set active = false where id = %s", [first["id"]])

    again = world.verb("add_number", **number, p_provider="sip", p_sip_domain="sip.example")

    assert again == first | {"provider": "sip", "sip_domain": "sip.example"}


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("set_limits", {}),
        ("add_user", {"p_id": uuid4(), "p_role": "agency_owner", "p_email": "a@b.test"}),
        ("add_number", {"p_phone_number": PHONE}),
    ],
)
def test_nothing_is_done_to_an_agency_that_does_not_exist(world: World, verb: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(psycopg.Error) as error:
        world.verb(verb, p_agency_id=uuid4(), **arguments)

    assert refusal(error.value) == ("404", "agency_not_found")
