"""Whether the processors run, what is out, and which migrations there are: as users and the service read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest

from local.functions import load
from local.migrate import build_from_schema
from ops.migrate import MIGRATIONS
from tests.factories import make_user
from tests.sql.checks import query
from tests.sql.world import World, become, call

if TYPE_CHECKING:
    from local.postgres import Server

SCHEDULED = [name for name, function in load().items() if function.schedules]
RUN = {"p_processor": "process-notices", "p_seconds": 12.5, "p_outcome": "succeeded"}


def status(world: World) -> Any:
    return world.ask(world.agency.member, "get_status")


def shown(world: World) -> Any:
    """The processor whose runs these tests make."""
    (run,) = [run for run in status(world)["processors"] if run["processor"] == RUN["p_processor"]]
    return run


def test_every_processor_of_the_schedule_is_shown_although_none_has_ever_run(world: World) -> None:
    never = {"outcome": "never", "started_at": None, "ended_at": None, "age_seconds": None}

    assert status(world)["processors"] == [{"processor": name, **never} for name in sorted(SCHEDULED)]


def test_a_processor_is_silent_that_has_never_run_or_not_for_ten_minutes(world: World) -> None:
    for name in SCHEDULED:
        world.verb("record_run", **RUN | {"p_processor": name})
    assert world.verb("vitals")["silent_processors"] == 0

    world.move_clock(599)
    world.verb("record_run", **RUN)
    assert world.verb("vitals")["silent_processors"] == 0
    world.move_clock(2)
    assert world.verb("vitals")["silent_processors"] == len(SCHEDULED) - 1

    world.connection.execute("delete from public.processor_runs")
    assert world.verb("vitals")["silent_processors"] == len(SCHEDULED)
    assert "silent_processors" not in world.verb("vitals", p_agency_id=world.agency.id)


def test_the_next_run_takes_the_place_of_the_last(world: World) -> None:
    world.verb("record_run", **RUN)
    world.move_clock(90)
    world.verb("record_run", **RUN | {"p_outcome": "failed"})
    world.move_clock(10)

    last = shown(world)

    assert last["outcome"] == "failed"
    assert query(world.connection, "select ended_at - started_at = '12.5 s' from public.processor_runs") == [(True,)]
    assert 10 <= last["age_seconds"] < 60


def test_of_runs_that_overlap_the_one_that_ended_last_is_kept(world: World) -> None:
    world.move_clock(90)
    world.verb("record_run", **RUN)
    world.move_clock(-90)
    world.verb("record_run", **RUN | {"p_outcome": "failed"})

    assert query(world.connection, "select outcome from public.processor_runs") == [("succeeded",)]


@pytest.mark.parametrize(
    ("change", "constraint"),
    [({"p_outcome": "lost"}, "run_outcome_is_known"), ({"p_seconds": -1}, "run_ends_after_it_began")],
)
def test_no_run_may_be(world: World, change: dict[str, object], constraint: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match=constraint), world.connection.transaction():
        world.verb("record_run", **RUN | change)


def test_whoever_belongs_to_no_agency_learns_of_no_run(world: World) -> None:
    world.verb("record_run", **RUN)
    for user_id, seen in ((world.agency.member, 1), (make_user(world.connection, None), 0), (uuid4(), 0)):
        with world.connection.transaction():
            become(world.connection, user_id)
            assert query(world.connection, "select count(*) from public.processor_runs") == [(seen,)]
            world.connection.execute("set local role none")


def test_unsettled_is_what_nobody_knows_of_since_it_began(world: World) -> None:
    world.call_in("ringing")
    assert status(world)["oldest_unsettled_seconds"] is None
    world.call_in("claimed")
    world.move_clock(40)
    world.call_in("unknown")

    out = status(world)

    assert (out["live_calls"], out["unknown_calls"]) == (3, 1)
    assert 40 <= out["oldest_unsettled_seconds"] < 80


def test_another_agencys_calls_are_not_counted(world: World) -> None:
    World(world.connection).call_in("unknown")

    assert status(world)["live_calls"] == 0


def test_the_version_is_that_of_the_newest_migration(world: World) -> None:
    newest = max(path.name for path in MIGRATIONS.glob("*.sql"))

    with world.connection.transaction():
        world.connection.execute("set local role service_role")
        assert call(world.connection, "batchline", "schema_version", {}) == newest.partition("_")[0]
        world.connection.execute("set local role none")


def test_a_database_without_a_record_has_no_version(server: Server) -> None:
    name = f"test_{uuid4().hex}"
    try:
        build_from_schema(server.create(name))
        with psycopg.connect(server.database(name)) as connection:
            assert query(connection, "select batchline.schema_version()") == [(None,)]
    finally:
        server.drop(name)
