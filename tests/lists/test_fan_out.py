"""Fan-out of lists: one message for each agency that has one to read, judged by the rows and the queue."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from shared import dispatch, lists
from tests.calling import FUNCTIONS
from tests.dialer.fleet import Fleet
from tests.dialer.harness import World, until
from tests.lists.harness import CHUNK, WAITING, List, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.simulator.client import Simulator
    from tests.factories import Connection
    from tests.lists.conftest import Settings

PROCESS = FUNCTIONS["process-contact-imports"]
AGENCIES = 6


@pytest.fixture
def fleet(tmp_path: Path, change_settings: Settings) -> Iterator[Fleet]:
    with Fleet.running(tmp_path, 2, PROCESS) as fleet:
        change_settings(DISPATCH_QUEUE_URL=fleet.queue_url)
        yield fleet
        dispatch.close()


@pytest.fixture
def worlds(db: Connection, simulator: Simulator) -> Iterator[list[World]]:
    worlds = [World.make(db, simulator) for _ in range(AGENCIES)]
    yield worlds
    for world in worlds:
        world.clean()


def sample(world: World, seed: str, chunks: int = 2) -> tuple[Sample, List]:
    """A list of so many chunks and more, uploaded for the agency."""
    made = Sample(seed, chunks * CHUNK)
    return made, List.of(world, made.content)


def message(listed: List, seconds: float = 30) -> dict[str, object]:
    return {"agency_id": str(listed.world.agency.id), "seconds": seconds}


def test_the_scheduled_run_finds_what_was_uploaded_and_sends_each_agency_one_message(
    fleet: Fleet, worlds: list[World]
) -> None:
    listed = [List.of(world, Sample("found", 1).content) for world in worlds[:2] for _ in range(2)]
    List.ask(worlds[2])  # whose file is still to come

    assert fleet.dispatch() == fleet.waiting() == 2
    assert {(one.status, one.row()["etag"] is None) for one in listed} == {("pending", False)}


def test_more_files_are_found_in_a_run_than_are_asked_for_at_once(
    fleet: Fleet, worlds: list[World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "UPLOADS_ASKED_FOR", 2)
    List.ask(worlds[0])
    for world in worlds[1:]:
        sample(world, "many")

    assert fleet.dispatch() == AGENCIES - 1


def test_a_message_has_the_lists_of_its_agency_read_and_no_others(fleet: Fleet, worlds: list[World]) -> None:
    mine = [sample(worlds[0], f"mine {n}") for n in range(2)]
    _, other = sample(worlds[1], "other")
    fleet.dispatch()
    fleet.sqs.purge_queue(QueueUrl=fleet.queue_url)
    fleet.send(message(mine[0][1]))

    assert fleet.invoke(fleet.received()) == {"batchItemFailures": []}
    for made, listed in mine:
        made.assert_whole(listed)
    assert other.row()["rows_read"] == 0


def test_workers_share_the_agencies_and_one_that_is_killed_at_a_chunk_loses_no_row_and_doubles_none(
    fleet: Fleet, worlds: list[World], database_url: str
) -> None:
    all_of_them = [sample(world, f"agency {n}") for n, world in enumerate(worlds)]
    assert fleet.dispatch() == AGENCIES

    with fleet.worker() as killed, psycopg.connect(database_url) as holding:
        holding.execute("lock table public.do_not_call in access exclusive mode")  # every chunk reads it
        until(lambda: worlds[0].rows(WAITING))
        killed.kill()
        holding.rollback()
    until(lambda: not worlds[0].rows(WAITING))
    for _, listed in all_of_them:
        listed.expire()
    with fleet.worker(), fleet.worker():
        fleet.drain()  # what the killed one had comes back when its time is over
        if any(listed.status != "completed" for _, listed in all_of_them):
            fleet.dispatch()
            fleet.drain()

    for made, listed in all_of_them:
        made.assert_whole(listed)
    assert fleet.dead() == 0


def test_several_messages_for_one_agency_read_each_row_once(fleet: Fleet, world: World) -> None:
    both = [sample(world, f"list {n}", chunks=4) for n in range(2)]
    fleet.dispatch()
    for _ in range(3):
        fleet.send(message(both[0][1]))

    with fleet.worker(), fleet.worker():
        fleet.drain()

    for made, listed in both:
        made.assert_whole(listed)


def test_a_share_too_short_for_anything_still_has_one_chunk_read(fleet: Fleet, world: World) -> None:
    made, listed = sample(world, "short", chunks=3)
    fleet.dispatch()
    fleet.sqs.purge_queue(QueueUrl=fleet.queue_url)
    read: list[int] = []
    while listed.status != "completed" and len(read) < 20:
        fleet.send(message(listed, 1e-6))
        fleet.invoke(fleet.received())
        read.append(listed.row()["rows_read"])

    assert all(before < later for before, later in pairwise([0, *read]))
    made.assert_whole(listed)


def test_without_a_queue_one_run_reads_the_lists_of_all_agencies(worlds: list[World]) -> None:
    all_of_them = [sample(world, f"all {n}") for n, world in enumerate(worlds)]

    answer: dict[str, Any] = lists.process(lambda: 60_000)

    assert [entry["status"] for entry in answer["results"]] == ["completed"] * AGENCIES
    for made, listed in all_of_them:
        made.assert_whole(listed)
