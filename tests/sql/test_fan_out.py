"""One run for each agency: which agencies need one, and that it touches no other's rows."""

from __future__ import annotations

from tests.sql.importing import Import
from tests.sql.listing import Listed
from tests.sql.world import World


def test_each_agency_that_is_active_is_named_once_and_no_other(world: World) -> None:
    dialling, scheduled, idle = world, World(world.connection), World(world.connection)
    for _ in range(2):
        dialling.processing(2)
    scheduled.create(1, scheduled_for=scheduled.time(3600))
    idle.create(1, status="draft")

    assert world.verb("dialling_agencies") == [str(dialling.agency.id)]
    world.move_clock(3590)
    assert set(world.verb("dialling_agencies")) == {str(dialling.agency.id), str(scheduled.agency.id)}


def test_an_import_that_a_run_holds_or_that_has_to_wait_needs_no_other(world: World) -> None:
    pending, held, paused = (Import(World(world.connection)) for _ in range(3))
    assert held.claim()  # and the others with it
    paused.release("The provider asks for a pause", retry_after=300)
    pending.release()

    assert world.verb("syncing_agencies") == [str(pending.world.agency.id)]
    world.move_clock(301)
    due = {str(job.world.agency.id) for job in (pending, held, paused)}
    assert set(world.verb("syncing_agencies")) == due


def test_a_run_for_one_agency_claims_no_other_import(world: World) -> None:
    mine, other = Import(world), Import(World(world.connection))

    arguments = {"p_worker": "w", "p_limit": 3, "p_lease_seconds": 120, "p_agency_id": world.agency.id}
    assert [job["job_id"] for job in world.verb("claim_sync_jobs", **arguments)] == [str(mine.id)]
    assert other.row()["status"] == "pending"


def test_a_run_for_one_agency_sweeps_no_others_calls(world: World) -> None:
    other = World(world.connection)
    call_ids = [one.call_in("claimed") for one in (world, other)]
    world.move_clock(61)

    arguments = {"p_limit": 100, "p_give_up_seconds": 86400, "p_agency_id": world.agency.id}
    assert world.verb("sweep_calls", **arguments) == {"released": 1, "unknown": 0, "given_up": 0}
    assert [world.call(call_id)["status"] for call_id in call_ids] == ["not_placed", "claimed"]


def test_a_list_whose_file_is_to_come_that_a_run_holds_or_that_has_to_wait_needs_no_other(world: World) -> None:
    awaited, due, held, failing, done = (Listed(World(world.connection)) for _ in range(5))
    for listed in (held, failing, done):
        listed.arrive()
        assert listed.claim() == str(listed.id)
    due.arrive()
    failing.fail()
    done.fail(final=True)

    assert world.verb("importing_agencies") == [str(due.world.agency.id)]
    world.move_clock(91)  # failing waits for 30 s, the lease lasts for 90
    assert set(world.verb("importing_agencies")) == {str(one.world.agency.id) for one in (due, held, failing)}
    awaited.arrive()
    assert str(awaited.world.agency.id) in world.verb("importing_agencies")


def test_an_agency_with_several_lists_is_named_once(world: World) -> None:
    for listed in (Listed(world), Listed(world)):
        listed.arrive()

    assert world.verb("importing_agencies") == [str(world.agency.id)]


def test_a_run_for_one_agency_claims_no_other_list(world: World) -> None:
    other, mine = Listed(World(world.connection)), Listed(world)
    other.arrive()
    mine.arrive()
    arguments = {"p_worker": "w", "p_lease_seconds": 90, "p_agency_id": world.agency.id}

    assert world.verb("claim_contact_import", **arguments)["import_id"] == str(mine.id)
    assert world.verb("claim_contact_import", **arguments) is None
    assert other.row()["status"] == "pending"
