"""A whole past is imported once, whatever happens beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from local.functions import Context
from shared import sync
from tests.calling import FUNCTIONS
from tests.dialer.harness import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sync.conftest import At, Settings
    from tests.sync.harness import Past


def test_every_call_is_stored_once_and_the_answer_has_the_evidence(past: Past) -> None:
    entry = past.whole()

    past.assert_whole()
    created = [datetime.fromisoformat(call["created"]) for call in past.known().values()]
    seen = {name: datetime.fromisoformat(entry.pop(name)) for name in ("oldest_call", "newest_call")}
    assert (seen["oldest_call"], seen["newest_call"]) == (min(created), max(created))
    assert entry == {
        "job_id": past.job_id,
        "status": "completed",
        "imported": 35,
        "updated": 0,
        "skipped": 0,
        "failed": 0,
        "reason": "all_calls_fetched",
        "total": 35,
        "processed": 35,
    }


def test_the_scheduled_function_answers_for_each_job_and_when_there_is_none(past: Past) -> None:
    function = FUNCTIONS["process-historical-sync"]
    past.start()

    answer: Any = function.resolve()({}, Context(function))

    assert [entry["status"] for entry in answer["results"]] == ["completed"]
    assert function.resolve()({}, Context(function)) == {"processed": 0, "message": "No pending jobs"}
    past.assert_whole()


@pytest.mark.parametrize("count", [0, 1, 10, 11])
def test_a_past_of_any_length_is_whole(make_past: Callable[..., Past], count: int) -> None:
    past = make_past(count)

    assert past.whole()["reason"] == "all_calls_fetched"

    past.assert_whole()
    assert past.row()["total_calls"] == count


def test_only_the_calls_of_the_range_are_imported_both_ends_included(past: Past) -> None:
    calls = sorted(past.known().values(), key=lambda call: call["created"])
    wanted = calls[7:22]

    past.start(date_from=wanted[0]["created"], date_to=wanted[-1]["created"])
    past.run()

    assert set(past.imported()) == {call["callId"] for call in wanted}
    assert past.row()["total_calls"] == 15


def test_a_second_import_writes_no_row(past: Past) -> None:
    past.whole()
    query = "select id, xmin::text, ctid::text from public.calls where agency_id = %s order by id"
    before = past.world.rows(query, past.world.agency.id)

    past.whole()

    assert past.counters() == (35, 0, 0, 35, 0)
    assert past.world.rows(query, past.world.agency.id) == before


def test_calls_that_come_while_we_page_push_none_out_and_the_next_import_has_them(past: Past, at: At) -> None:
    before = past.known().keys()
    new: list[str] = []
    at("sync_recorded", lambda: new.extend(past.place_call() for _ in range(12)))

    past.whole()
    assert set(past.imported()) == before
    assert past.counters() == (35, 35, 0, 0, 0)

    until(lambda: all(past.known()[call_id]["ended"] for call_id in new))
    past.whole()
    assert set(past.imported()) == {*before, *new}
    assert past.counters() == (47, 12, 0, 35, 0)


def test_a_call_that_has_changed_since_is_updated_by_the_next_import(past: Past) -> None:
    world = past.world
    world.simulator.configure(people={"ring_seconds": (3600, 3600)})
    live = past.place_call()
    past.whole()
    query = "select status, billing_status from public.calls where agency_id = %s and ultravox_call_id = %s"
    assert world.one(query, world.agency.id, live)["status"] == "ringing"

    world.simulator.join_call(live)
    world.simulator.end_call(live)
    until(lambda: past.known()[live]["billingStatus"] != "BILLING_STATUS_PENDING")
    past.whole()

    assert past.counters() == (36, 0, 1, 35, 0)
    assert world.one(query, world.agency.id, live)["status"] == "ended"


def test_a_run_out_of_time_stops_and_the_next_goes_on_where_it_was(past: Past) -> None:
    past.world.simulator.configure(page_latency_seconds=0.3)
    past.start()

    runs = [past.run(0.7)]
    row = past.row()
    assert (runs[0]["status"], row["claimed_by"], row["error_message"]) == ("in_progress", None, None)
    while runs[-1]["status"] == "in_progress":
        runs.append(past.run(0.7))

    assert len(runs) > 1
    assert [run["imported"] for run in runs] == sorted(run["imported"] for run in runs)
    past.assert_whole()


def test_a_cancellation_is_seen_between_two_pages(past: Past, at: At) -> None:
    at("sync_recorded", past.cancel)

    entry = past.whole()

    assert (entry["status"], entry["reason"], entry["imported"]) == ("cancelled", "cancelled", 10)
    assert len(past.imported()) == 10
    past.whole()
    assert past.counters() == (35, 25, 0, 10, 0)


def test_a_run_takes_three_jobs_and_leaves_the_fourth_to_the_next(make_past: Callable[..., Past]) -> None:
    pasts = [make_past(12) for _ in range(4)]
    for one in pasts:
        one.start()

    answers: list[Any] = [sync.process(lambda: 60_000) for _ in range(2)]

    assert [len(answer["results"]) for answer in answers] == [3, 1]
    for one in pasts:
        one.assert_whole()


def test_a_job_that_fails_fails_no_other(make_past: Callable[..., Past]) -> None:
    pasts = [make_past(12) for _ in range(3)]
    pasts[1].world.forget("ultravox-api-key")
    for one in pasts:
        one.start()

    answer: Any = sync.process(lambda: 60_000)

    entries = {entry["job_id"]: entry for entry in answer["results"]}
    assert [entries[one.job_id]["status"] for one in pasts] == ["completed", "failed", "completed"]
    assert entries[pasts[1].job_id]["error"] == "Agency API key not configured"
    pasts[0].assert_whole()
    pasts[2].assert_whole()


def test_malformed_calls_are_counted_and_noted_and_the_others_imported(make_past: Callable[..., Past]) -> None:
    past = make_past(60, malformed_rate=0.1)
    broken = {call["callId"] for call in past.known().values() if call["created"] == "yesterday"}
    assert 0 < len(broken) < 30

    past.whole()

    assert past.counters() == (60, 60 - len(broken), 0, 0, len(broken))
    assert set(past.imported()) == past.known().keys() - broken
    noted = past.world.rows("select * from public.historical_sync_failures where job_id = %s", past.job_id)
    assert {row["ultravox_call_id"] for row in noted} == broken
    assert {row["reason"] for row in noted} == {"'yesterday' is no time"}


def test_the_calls_of_early_2025_are_imported_with_what_they_have(make_past: Callable[..., Past]) -> None:
    past = make_past(20, **{"from": "2025-02-01T00:00:00Z", "to": "2025-03-01T00:00:00Z"})

    past.whole()

    past.assert_whole()
    query = "select distinct billing_status from public.calls where agency_id = %s"
    assert past.world.rows(query, past.world.agency.id) == [{"billing_status": "BILLING_STATUS_PENDING"}]


def test_the_provider_is_asked_for_as_many_calls_as_are_set(past: Past, change_settings: Settings) -> None:
    change_settings(SYNC_PAGE_SIZE="20")
    pages: list[str] = []
    past.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shared.crash_points.hook", pages.append)
        past.run()

    assert pages.count("sync_recorded") == 2
    past.assert_whole()


def test_an_import_lasts_no_longer_than_its_range(past: Past) -> None:
    """date_to is fixed at creation, to the microsecond: what is created after it belongs to the next import."""
    past.start()

    assert datetime.now(UTC) - past.row()["date_to"] < timedelta(seconds=30)
    late = past.place_call()
    past.run()

    assert late not in past.imported()
