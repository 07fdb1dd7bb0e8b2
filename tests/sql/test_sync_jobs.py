"""An import as a state machine: who may move it from where to where, and what a lease is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.factories import make_agency, make_user
from tests.sql.importing import Import, past_calls
from tests.sql.world import World, refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from tests.sql.races import Race

FINAL = ("completed", "failed", "cancelled")
EARLY, LATE = "2025-01-01T00:00:00Z", "2025-03-01T00:00:00Z"


def job_in(world: World, status: str) -> Import:
    """A job that came to this state as jobs do."""
    job = Import(world)
    if status in ("in_progress", "completed", "failed"):
        assert job.claim()
    if status == "completed":
        job.record([])
    elif status == "failed":
        job.fail(final=True)
    elif status == "cancelled":
        job.cancel()
    assert job.row()["status"] == status
    return job


def refused(act: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(psycopg.Error) as error:
        act()
    return refusal(error.value)


def test_a_job_without_dates_reaches_from_the_beginning_to_now(world: World) -> None:
    before = world.time()
    row = Import(world).row()

    assert (row["status"], row["date_from"], row["started_at"]) == ("pending", None, None)
    assert before < row["date_to"] <= world.time()
    assert row["created_by"] == str(world.agency.member)


def test_a_range_that_reaches_into_the_future_ends_now(world: World) -> None:
    assert Import(world, date_from=EARLY, date_to="2999-01-01T00:00:00Z").row()["date_to"] <= world.time()


@pytest.mark.parametrize(
    "dates",
    [{"date_from": LATE, "date_to": EARLY}, {"date_from": EARLY, "date_to": EARLY}, {"date_from": "2999-01-01"}],
    ids=["reversed", "empty", "ahead"],
)
def test_a_range_that_holds_no_time_is_refused(world: World, dates: dict[str, str]) -> None:
    assert refused(lambda: Import(world, **dates)) == ("400", "bad_request")
    assert world.all("historical_sync_jobs") == []


@pytest.mark.parametrize("status", ["pending", "in_progress"])
def test_a_second_job_is_refused_while_one_is_active(world: World, status: str) -> None:
    job = job_in(world, status)

    with pytest.raises(psycopg.Error, match="already exists") as error:
        Import(world)

    assert refusal(error.value) == ("409", "sync_job_already_exists")
    assert [row["id"] for row in world.all("historical_sync_jobs")] == [str(job.id)]


@pytest.mark.parametrize("status", FINAL)
def test_a_new_job_may_follow_one_that_is_over(world: World, status: str) -> None:
    job_in(world, status)

    assert Import(world).row()["status"] == "pending"


def test_two_agencies_import_at_the_same_time(world: World) -> None:
    theirs = World(world.connection)

    assert Import(world).claim("one")
    assert Import(theirs).claim("another")


def test_who_has_no_agency_may_neither_start_nor_cancel(world: World) -> None:
    job = Import(world)
    nobody = make_user(world.connection, None)

    start = {"p_user_id": nobody, "p_date_from": None, "p_date_to": None}
    assert refused(lambda: world.verb("create_historical_sync_job", **start)) == ("403", "no_agency")
    assert refused(lambda: job.cancel(nobody)) == ("403", "no_agency")


def test_a_claimed_job_is_nobody_elses_until_its_lease_is_over(world: World) -> None:
    job = Import(world)

    assert job.claim("one", lease=120)
    assert not job.claim("another")
    world.move_clock(121)
    assert job.claim("another")
    assert job.row()["claimed_by"] == "another"


def test_the_longest_without_progress_is_claimed_first(world: World) -> None:
    jobs = [Import(World(world.connection)) for _ in range(4)]
    assert jobs[0].claim()
    world.move_clock(1)
    jobs[0].record([], then="more")
    for job in jobs:
        job.release()

    claimed = world.verb("claim_sync_jobs", p_worker="worker", p_limit=3, p_lease_seconds=120)

    assert {one["job_id"] for one in claimed} == {str(job.id) for job in jobs[1:]}


def test_a_job_that_waits_for_the_provider_is_not_claimed_before(world: World) -> None:
    job = Import.claimed(world)
    job.release("The provider asks for a pause", retry_after=300)

    assert not job.claim()
    assert job.row()["error_message"] == "The provider asks for a pause"
    world.move_clock(301)
    assert job.claim()


def test_a_pause_is_never_longer_than_a_quarter_of_an_hour(world: World) -> None:
    job = Import.claimed(world)
    job.release("wait", retry_after=1e9)

    world.move_clock(901)
    assert job.claim()


def test_a_run_that_is_out_of_time_leaves_no_trace_but_its_progress(world: World) -> None:
    job = Import.claimed(world)
    job.record(past_calls(2), then="more")
    job.release()

    row = job.row()
    assert (row["status"], row["cursor"], row["error_message"], row["attempts"]) == ("in_progress", "more", None, 0)
    assert job.claim("another")


def test_the_tenth_failed_run_in_a_row_fails_the_job(world: World) -> None:
    job = Import(world)
    for run in range(1, 11):
        assert job.claim()
        assert job.fail("no answer")["status"] == ("in_progress" if run < 10 else "failed")

    row = job.row()
    assert (row["attempts"], row["error_message"]) == (10, "no answer")
    assert row["completed_at"]
    assert row["last_error_at"]


def test_the_tenth_worker_in_a_row_that_stops_without_a_word_fails_the_job(world: World) -> None:
    job = Import(world)
    for _ in range(10):
        assert job.claim()
        world.move_clock(121)
    assert job.row()["attempts"] == 9

    (answered,) = world.verb("claim_sync_jobs", p_worker="another", p_limit=10, p_lease_seconds=120)

    assert (answered["job_id"], answered["status"], answered["mine"]) == (str(job.id), "failed", False)
    row = job.row()
    assert (row["status"], row["attempts"], row["claimed_by"]) == ("failed", 10, None)
    assert row["error_message"].startswith("The import stopped ten times in a row without getting any further.")
    assert not job.claim()
    assert Import(world).claim()


def test_workers_that_stop_and_runs_that_fail_count_together_and_a_page_ends_the_count(world: World) -> None:
    job = Import(world)
    for _ in range(9):
        assert job.claim()
        world.move_clock(121)
    assert job.claim()
    job.record(past_calls(1), then="more")
    world.move_clock(121)
    for _ in range(8):
        assert job.claim()
        assert job.fail()["status"] == "in_progress"

    assert job.claim()
    assert job.fail()["status"] == "failed"


def test_a_page_between_them_begins_the_count_of_failed_runs_anew(world: World) -> None:
    job = Import(world)
    for run in range(18):
        assert job.claim()
        if run == 9:
            job.record(past_calls(1), then="more")
            assert job.row()["error_message"] is None
            job.release()
        else:
            assert job.fail()["status"] == "in_progress"


def test_a_final_failure_is_one_at_once(world: World) -> None:
    job = Import.claimed(world)

    assert job.fail("Agency API key not configured", final=True)["status"] == "failed"


@pytest.mark.parametrize("status", FINAL)
def test_what_is_over_stays_as_it_is(world: World, status: str) -> None:
    job = job_in(world, status)
    before = world.snapshot()

    assert not job.claim()
    job.fail()
    job.release("why", retry_after=1)
    assert job.record(past_calls(1))["mine"] is False
    assert refused(job.cancel) == ("400", "sync_job_not_cancellable")
    assert world.snapshot() == before


@pytest.mark.parametrize("verb", ["fail", "release", "record"])
def test_a_worker_whose_lease_went_to_another_changes_nothing(world: World, verb: str) -> None:
    job = Import.claimed(world)
    world.move_clock(121)
    assert job.claim("another")
    before = world.snapshot()

    acts: dict[str, Callable[[], Any]] = {
        "fail": job.fail,
        "release": job.release,
        "record": lambda: job.record(past_calls(1)),
    }
    assert acts[verb]()["mine"] is False

    assert world.snapshot() == before


def test_a_worker_whose_lease_is_over_records_nothing_though_nobody_took_it(world: World) -> None:
    job = Import.claimed(world)
    world.move_clock(121)
    before = world.snapshot()

    assert job.record(past_calls(1))["mine"] is False
    assert world.snapshot() == before


@pytest.mark.parametrize("status", ["pending", "in_progress"])
def test_an_active_job_is_cancelled_and_its_worker_finds_out(world: World, status: str) -> None:
    job = job_in(world, status)

    assert job.cancel() == {"job_id": str(job.id), "status": "cancelled"}

    assert job.record(past_calls(1))["status"] == "cancelled"
    assert (job.counters()[0], world.all("calls")) == (0, [])


def test_another_agencys_job_is_not_found(world: World) -> None:
    job = Import(World(world.connection))

    assert refused(lambda: job.cancel(world.agency.owner)) == ("404", "sync_job_not_found")
    assert job.row()["status"] == "pending"


def status_of(world: World, user_id: UUID | None = None) -> dict[str, Any]:
    return world.ask(user_id or world.agency.member, "get_sync_status")


def test_the_status_shows_the_active_job_then_the_latest_then_none(world: World) -> None:
    assert status_of(world) == {"active": False, "recent_job": None}

    job = Import.claimed(world, date_from=EARLY, date_to=LATE)
    job.record(past_calls(4), then="more")
    shown = status_of(world)
    assert shown["active"] is True
    assert shown["job"] | {"started_at": "", "last_activity_at": ""} == {
        "id": str(job.id),
        "status": "in_progress",
        "date_from": EARLY,
        "date_to": LATE,
        "total_calls": 10,
        "processed_calls": 4,
        "imported_calls": 4,
        "updated_calls": 0,
        "skipped_calls": 0,
        "failed_calls": 0,
        "progress_percent": 40.0,
        "error_message": None,
        "started_at": "",
        "last_activity_at": "",
    }

    job.record([], at="more")
    shown = status_of(world)
    assert (shown["active"], shown["recent_job"]["progress_percent"]) == (False, 100.0)


def test_the_status_is_that_of_the_callers_agency(world: World) -> None:
    Import(world)
    other = make_agency(world.connection, "Globex")

    assert status_of(world, other.member) == {"active": False, "recent_job": None}
    assert refused(lambda: status_of(world, make_user(world.connection, None))) == ("403", "no_agency")


def test_of_two_who_start_at_once_the_second_waits_and_is_refused(
    ours: World, theirs: World, race: Callable[[World, Callable[[], object]], Race[Any]]
) -> None:
    with ours.connection.transaction():
        Import(ours)
        second = race(theirs, lambda: Import(theirs))
        second.wait_until_blocked()

    with pytest.raises(psycopg.Error, match="already exists"):
        second.result()


def test_a_cancellation_waits_for_the_page_that_is_being_written(
    ours: World, theirs: World, race: Callable[[World, Callable[[], object]], Race[Any]]
) -> None:
    job = Import(ours)
    assert job.claim()
    with ours.connection.transaction():
        job.record(past_calls(2), then="more")
        meanwhile = Import.__new__(Import)
        meanwhile.world, meanwhile.id = theirs, job.id
        cancelling = race(theirs, meanwhile.cancel)
        cancelling.wait_until_blocked()

    assert cancelling.result()["status"] == "cancelled"
    assert job.counters() == (2, 2, 0, 0, 0)
    assert job.record(past_calls(2), at="more")["status"] == "cancelled"
    assert len(ours.all("calls")) == 2
