"""Each user sees the rows of their own agency: through the tables, the view and the functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from uuid import UUID, uuid4

import pytest

from tests.factories import forbid_number, make_user
from tests.sql.checks import query
from tests.sql.importing import Import
from tests.sql.listing import Listed
from tests.sql.telling import listen
from tests.sql.world import World, become

if TYPE_CHECKING:
    from tests.factories import Connection

RELATIONS = {
    "agencies": "id", "users": "agency_id", "campaigns": "agency_id", "agent_mappings": "agency_id",
    "agency_phone_numbers": "agency_id", "do_not_call": "agency_id", "call_batches": "agency_id",
    "campaign_contacts": "agency_id", "calls": "agency_id", "call_events": "agency_id",
    "v_call_batch_summary": "agency_id", "historical_sync_jobs": "agency_id", "historical_sync_failures": "agency_id",
    "contact_imports": "agency_id",
    "notice_endpoints": "agency_id", "notices": "agency_id",
}  # fmt: skip
ONLY_ONES_OWN = {"users"}


@pytest.fixture
def two(connection: Connection) -> tuple[World, World]:
    """Two agencies with rows in every table."""
    worlds = World(connection), World(connection)
    for world in worlds:
        listen(world)
        world.call_in("ended", contacts=2)
        forbid_number(connection, world.agency.id, "+12135550123")
        Import.claimed(world).record([None])
        Listed(world)
    return worlds


def agencies_seen(world: World, relation: str, user_id: UUID) -> set[UUID]:
    with world.connection.transaction():
        become(world.connection, user_id)
        found = query(world.connection, f"select {RELATIONS[relation]} from public.{relation}")  # noqa: S608
        world.connection.execute("set local role none")
    return {cast("UUID", row[0]) for row in found}


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("role", ["owner", "admin", "member"])
def test_a_user_sees_their_own_agency_and_no_other(two: tuple[World, World], relation: str, role: str) -> None:
    for world in two:
        assert agencies_seen(world, relation, getattr(world.agency, role)) == {world.agency.id}


@pytest.mark.parametrize("relation", RELATIONS)
def test_a_user_the_database_does_not_know_sees_nothing(two: tuple[World, World], relation: str) -> None:
    assert agencies_seen(two[0], relation, uuid4()) == set()


@pytest.mark.parametrize("relation", sorted(RELATIONS.keys() - ONLY_ONES_OWN))
def test_a_user_without_agency_sees_nothing(two: tuple[World, World], relation: str) -> None:
    assert agencies_seen(two[0], relation, make_user(two[0].connection, None)) == set()


def test_a_user_sees_no_other_user(two: tuple[World, World]) -> None:
    world = two[0]
    with world.connection.transaction():
        become(world.connection, world.agency.owner)
        found = world.connection.execute("select id from public.users").fetchall()
        world.connection.execute("set local role none")

    assert found == [(world.agency.owner,)]


@pytest.mark.parametrize("relation", sorted(RELATIONS.keys() - ONLY_ONES_OWN))
def test_a_user_moved_a_moment_ago_sees_the_new_agency_only(two: tuple[World, World], relation: str) -> None:
    ours, theirs = two
    ours.set("users", ours.agency.member, agency_id=theirs.agency.id)

    assert agencies_seen(ours, relation, ours.agency.member) == {theirs.agency.id}
