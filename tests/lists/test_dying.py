"""A processor that is killed or frozen at work: each row exactly once, counters exact, no chunk counted twice."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import psycopg
import pytest

from shared import lists
from tests.dialer.harness import until
from tests.lists.harness import CHUNK, WAITING, List, Sample, worker

if TYPE_CHECKING:
    from tests.dialer.harness import World

ONCE = ("import_claimed", "import_before_read", "import_before_report", "import_before_finish", "import_finished")
AT_EACH_CHUNK = ("import_before_record", "import_recorded")


@pytest.mark.parametrize("point", [*ONCE, *AT_EACH_CHUNK])
def test_after_a_kill_the_next_run_goes_on_from_the_last_chunk(world: World, point: str) -> None:
    chance = random.Random(point)  # noqa: S311 - which chunk it is
    sample = Sample(point, chance.randint(3 * CHUNK, 6 * CHUNK))
    listed = List.of(world, sample.content)

    with worker(point, chance.randint(1, 3) if point in AT_EACH_CHUNK else 1) as killed:
        killed.wait_until_reached()
        killed.kill()
    row = listed.row()
    assert row["rows_read"] == row["added"] + row["duplicates_skipped"] + row["invalid"]
    assert len(listed.contacts()) == row["added"]
    listed.expire()
    if listed.status == "in_progress":
        listed.run()

    sample.assert_whole(listed)


@pytest.mark.parametrize("chunk", [1, 3])
def test_a_kill_while_a_chunk_is_being_written_neither_loses_nor_doubles_it(
    world: World, database_url: str, chunk: int
) -> None:
    sample = Sample("written", 4 * CHUNK)
    listed = List.of(world, sample.content)

    with psycopg.connect(database_url) as holding, worker("import_before_record", chunk) as killed:
        killed.wait_until_reached()
        holding.execute("lock table public.do_not_call in access exclusive mode")  # every chunk reads it
        killed.go_on()
        until(lambda: world.rows(WAITING))
        killed.kill()
        # Its chunk is still being written: nobody else may take the list.
        assert lists.process(lambda: 60_000) == {"processed": 0, "message": "No pending imports"}
        holding.rollback()
    until(lambda: not world.rows(WAITING))
    listed.expire()
    listed.run()

    sample.assert_whole(listed)


@pytest.mark.parametrize("point", ["import_before_read", "import_before_finish", *AT_EACH_CHUNK])
def test_who_was_frozen_while_another_took_over_counts_no_chunk_twice(world: World, point: str) -> None:
    sample = Sample(point, 5 * CHUNK)
    listed = List.of(world, sample.content)

    with worker(point, 2 if point in AT_EACH_CHUNK else 1) as frozen:
        frozen.wait_until_reached()
        listed.expire()
        assert listed.run()["reason"] == "all_rows_read"
        frozen.go_on()
        (entry,) = frozen.result()["results"]

    assert entry.get("reason") in ("lease_lost", "all_rows_read")
    sample.assert_whole(listed)


def test_two_processors_at_once_share_the_lists(world: World) -> None:
    samples = [Sample(f"{n}", 4 * CHUNK) for n in range(5)]
    listed = [List.of(world, sample.content) for sample in samples]

    with worker() as one, worker() as another:
        answers = [one.result(), another.result()]

    entries = [entry for answer in answers for entry in answer.get("results", [])]
    assert {entry["import_id"] for entry in entries} == {one.import_id for one in listed}
    assert len(entries) == 5
    for sample, one in zip(samples, listed, strict=True):
        sample.assert_whole(one)


def test_the_tenth_worker_in_a_row_that_dies_before_its_first_chunk_ends_the_import(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    sample = Sample("dying", 2 * CHUNK)
    listed = List.of(world, sample.content)
    listed.set("attempts", 8)
    for _ in range(2):
        with worker("import_before_record") as killed:
            killed.wait_until_reached()
            killed.kill()
        listed.expire()

    entry = listed.run()

    assert (entry["status"], entry["error"]) == ("failed", lists.STOPPED)
    assert (listed.row()["attempts"], listed.contacts(), listed.file()) == (10, [], None)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["A list is given up"]


def test_a_chunk_between_them_begins_the_count_of_dead_workers_anew(world: World) -> None:
    sample = Sample("dying", 3 * CHUNK)
    listed = List.of(world, sample.content)
    listed.set("attempts", 9)
    with worker("import_before_record", 2) as killed:
        killed.wait_until_reached()
        killed.kill()
    listed.expire()

    listed.run()

    sample.assert_whole(listed)
