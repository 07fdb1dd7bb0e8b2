"""A processor that is killed or frozen at work: each call exactly once, counters exact, no page counted twice."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import psycopg
import pytest

from shared import sync
from tests.dialer.harness import until
from tests.sync.harness import PAGE, worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sync.harness import Past

CLAIMED = "sync_claimed"
POINTS = ("sync_before_fetch", "sync_after_fetch", "sync_before_record", "sync_recorded")
SEEDS = range(4)
WAITING = "select from pg_locks where not granted and relation = 'public.agent_mappings'::regclass"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("point", [CLAIMED, *POINTS])
def test_after_a_kill_the_next_run_goes_on_from_the_last_page(
    make_past: Callable[..., Past], point: str, seed: int
) -> None:
    chance = random.Random(f"{point} {seed}")  # noqa: S311 - which page it is
    past = make_past(chance.randint(2 * PAGE + 1, 6 * PAGE))
    pages = -(-len(past.known()) // PAGE)
    past.start()

    with worker(point, 1 if point == CLAIMED else chance.randint(1, pages)) as killed:
        killed.wait_until_reached()
        killed.kill()
    past.assert_consistent()
    past.expire()
    if past.status == "in_progress":
        past.run()

    past.assert_whole()


@pytest.mark.parametrize("page", [1, 2, 4])
def test_a_kill_while_a_page_is_being_written_neither_loses_nor_doubles_it(
    past: Past, database_url: str, page: int
) -> None:
    past.start()

    with psycopg.connect(database_url) as holding, worker("sync_before_record", page) as killed:
        killed.wait_until_reached()
        holding.execute("lock table public.agent_mappings in access exclusive mode")  # every page reads it
        killed.go_on()
        until(lambda: past.world.rows(WAITING))
        killed.kill()
        # Its page is still being written: nobody else may take the job.
        assert sync.process(lambda: 60_000) == {"processed": 0, "message": "No pending jobs"}
        holding.rollback()
    until(lambda: not past.world.rows(WAITING))
    past.expire()
    if past.status == "in_progress":
        past.run()

    past.assert_whole()


@pytest.mark.parametrize("point", POINTS)
def test_who_was_frozen_while_another_took_over_counts_no_page_twice(past: Past, point: str) -> None:
    past.start()

    with worker(point, 2) as frozen:
        frozen.wait_until_reached()
        until(lambda: past.row()["processed_calls"] >= PAGE)  # the first page may have been on its way
        past.expire()
        assert past.run()["reason"] == "all_calls_fetched"
        frozen.go_on()
        (entry,) = frozen.result()["results"]

    assert entry["reason"] == "lease_lost"
    past.assert_whole()


def test_a_worker_whose_lease_is_over_stops_though_nobody_took_over(past: Past) -> None:
    past.start()

    with worker("sync_before_record", 2) as late:
        late.wait_until_reached()
        past.expire()
        late.go_on()
        (entry,) = late.result()["results"]

    assert (entry["status"], entry["reason"], entry["imported"]) == ("in_progress", "lease_lost", PAGE)
    past.run()
    past.assert_whole()


def test_two_processors_at_once_share_the_jobs(make_past: Callable[..., Past]) -> None:
    pasts = [make_past(45) for _ in range(6)]
    for past in pasts:
        past.start()

    with worker() as one, worker() as another:
        entries = [entry for worked in (one, another) for entry in worked.result()["results"]]

    assert {entry["job_id"] for entry in entries} == {past.job_id for past in pasts}
    assert len(entries) == 6
    for past in pasts:
        past.assert_whole()


def test_the_tenth_worker_in_a_row_that_dies_before_its_first_page_fails_the_job(
    past: Past, caplog: pytest.LogCaptureFixture
) -> None:
    past.start()
    past.set("attempts", 9)
    with worker("sync_before_fetch") as killed:
        killed.wait_until_reached()
        killed.kill()
    past.expire()

    entry = past.run()

    assert (entry["status"], entry["error"]) == ("failed", past.row()["error_message"])
    assert entry["error"].startswith("The import stopped ten times in a row")
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["An import is given up"]
    past.whole()
    past.assert_whole()
