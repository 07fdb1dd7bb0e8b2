"""What the provider may do to an import, and the sentence that the agency reads about it."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import stamina

from shared import sync
from tests.servers import passing_on, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.servers import Asked, Served
    from tests.sync.conftest import At, Settings
    from tests.sync.harness import Past

Row = dict[str, Any]

IMPATIENT = {"SYNC_PAGE_TIMEOUT_SECONDS": "0.4", "SYNC_FETCH_SECONDS": "0.8", "CONNECT_TIMEOUT_SECONDS": "0.3"}


def refuse(past: Past, status: int, *, times: int | None = None, body: object = None, **fault: Any) -> None:
    """From now on the provider answers this to whoever lists the agency's calls."""
    match = {"account": past.world.account, "path": "lookup", "times": times}
    past.world.simulator.add_fault("refuse", match, status=status, body=body, **fault)


@contextmanager
def changed(past: Past, change: Callable[[Row], Row], patch: Settings) -> Generator[Served]:
    """The provider, but every page of calls is changed on its way."""
    with rewritten(past, lambda page: json.dumps(change(json.loads(page))).encode(), patch) as served:
        yield served


@contextmanager
def rewritten(past: Past, change: Callable[[bytes], bytes], patch: Settings) -> Generator[Served]:
    """The provider, but the text of every page of calls is changed on its way."""
    with passing_on(past.world.simulator.base_url) as served:
        pass_on = served.answer

        def answer(asked: Asked) -> tuple[int, bytes] | None:
            passed = pass_on(asked)
            return passed and (passed[0], change(passed[1]))

        served.answer = answer
        patch(ULTRAVOX_BASE_URL=served.url)
        yield served


@pytest.fixture(autouse=True)
def _no_waiting_between_repeats() -> Any:
    with stamina.set_testing(True, attempts=sync.FETCHES):
        yield


# --- a pause that the provider asks for


@pytest.mark.parametrize("status", [429, 503])
def test_a_short_pause_is_waited_for_and_the_run_goes_on(past: Past, at: At, status: int) -> None:
    at("sync_recorded", lambda: refuse(past, status, times=2, headers={"Retry-After": "1"}))

    assert past.whole()["reason"] == "all_calls_fetched"

    past.assert_whole()
    assert past.row()["error_message"] is None


@pytest.mark.parametrize(("status", "body"), [(429, None), (503, {"detail": "busy"})])
def test_a_long_pause_is_left_to_a_later_run(past: Past, at: At, status: int, body: object) -> None:
    at("sync_recorded", lambda: refuse(past, status, times=1, body=body, headers={"Retry-After": "600"}))

    entry = past.whole()

    assert (entry["status"], entry["error"]) == ("in_progress", f"The provider asks for a pause ({status})")
    row = past.row()
    assert (row["error_message"], row["attempts"], row["claimed_by"]) == (entry["error"], 0, None)
    assert 590 < (row["resume_after"] - row["last_error_at"]).total_seconds() <= 600
    assert sync.process(lambda: 60_000) == {"processed": 0, "message": "No pending jobs"}

    past.set("resume_after", None)
    past.run()
    past.assert_whole()


# --- a provider that is ill


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
def test_an_error_of_the_provider_is_repeated_within_the_run(past: Past, at: At, status: int) -> None:
    at("sync_recorded", lambda: refuse(past, status, times=2, body="upstream connect error"))

    past.whole()

    past.assert_whole()


def test_an_error_that_lasts_ends_the_run_and_the_next_goes_on(past: Past, at: At) -> None:
    at("sync_recorded", lambda: refuse(past, 500))

    entry = past.whole()

    assert (entry["status"], entry["error"]) == ("in_progress", "The provider answered 500")
    assert (past.row()["attempts"], past.row()["error_message"]) == (1, "The provider answered 500")
    (fault,) = past.world.simulator.faults()
    assert fault["hits"] == sync.FETCHES
    past.world.simulator.clear_faults()
    past.run()
    past.assert_whole()
    assert (past.row()["attempts"], past.row()["error_message"]) == (0, None)


def test_ten_failed_runs_in_a_row_fail_the_job_and_it_can_be_started_again(past: Past) -> None:
    refuse(past, 500)
    past.start()

    entries = [past.run() for _ in range(10)]

    assert [entry["status"] for entry in entries] == ["in_progress"] * 9 + ["failed"]
    assert past.row()["error_message"] == "The provider answered 500"
    past.world.simulator.clear_faults()
    past.whole()
    past.assert_whole()


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever(past: Past, change_settings: Settings, at: At) -> None:
    change_settings(**IMPATIENT)
    at("sync_recorded", lambda: refuse(past, 500, delay_seconds=5))

    entry = past.whole()

    assert (entry["status"], entry["error"]) == ("in_progress", "The provider did not answer in time")
    assert entry["imported"] == len(past.imported()) < 35


def test_a_provider_that_cannot_be_reached_is_said_to_be_so(past: Past, change_settings: Settings) -> None:
    change_settings(ULTRAVOX_BASE_URL="http://127.0.0.1:9")  # discard: nothing listens

    assert past.whole()["error"] == "The provider could not be reached (ConnectError)"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"results": {}}', b'{"results": [], "next": 7}', b'{"results": [NaN]}']
)
def test_an_answer_that_is_no_list_of_calls_is_an_error_and_no_end(
    past: Past, change_settings: Settings, body: bytes
) -> None:
    with serving(lambda _: (200, body)) as served:
        change_settings(ULTRAVOX_BASE_URL=served.url)
        entry = past.whole()

    assert (entry["status"], entry["error"]) == ("in_progress", "The provider's answer is no list of calls")


# --- a key that is none


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_on_the_way_fails_the_job(past: Past, at: At, status: int) -> None:
    at("sync_recorded", lambda: refuse(past, status, body={"detail": "Invalid API key"}))

    entry = past.whole()

    assert (entry["status"], entry["error"]) == ("failed", f"Agency API key rejected by the provider ({status})")
    assert (past.status, past.row()["error_message"]) == ("failed", entry["error"])
    assert past.counters()[0] == len(past.imported()) < 35


def test_an_agency_without_a_key_is_told_so(past: Past) -> None:
    past.world.forget("ultravox-api-key")

    entry = past.whole()

    assert (entry["status"], entry["error"]) == ("failed", "Agency API key not configured")
    assert past.row()["error_message"] == entry["error"]


def test_a_key_that_cannot_be_one_is_never_sent(past: Past, change_settings: Settings) -> None:
    past.world.store("ultravox-api-key", "key\u00e9")
    with serving(lambda _: (200, b"{}")) as served:
        change_settings(ULTRAVOX_BASE_URL=served.url)
        entry = past.whole()

    assert (entry["status"], entry["error"]) == ("failed", "Agency API key rejected: it cannot be one")
    assert served.asked == []


def test_a_key_that_was_replaced_on_the_way_is_read_again(past: Past, at: At) -> None:
    old, new = past.world.key, f"new-{past.world.key}"

    def replace() -> None:
        refuse(past, 401, times=1)
        past.world.store("ultravox-api-key", new)
        past.world.simulator.add_account(new, account_id=past.world.account, past={"count": 35})

    at("sync_recorded", replace)
    past.whole()

    assert (past.status, past.counters()[0]) == ("completed", 35)
    past.world.store("ultravox-api-key", old)


# --- what the list may lead to


def test_a_link_to_another_host_is_refused_and_the_key_never_leaves(past: Past, change_settings: Settings) -> None:
    with serving(lambda _: (200, b'{"results": []}')) as foreign:

        def lead_away(page: Row) -> Row:
            return page | {"next": page["next"] and f"{foreign.url}/api/calls?cursor=abc"}

        with changed(past, lead_away, change_settings):
            entry = past.whole()

    assert entry["status"] == "failed"
    host = foreign.url.removeprefix("http://")
    assert entry["error"] == f"The provider's list of calls leads to another host ({host}): not followed"
    assert past.row()["error_message"] == entry["error"]
    assert foreign.asked == []


def test_a_redirect_is_not_followed(past: Past) -> None:
    with serving(lambda _: (200, b'{"results": []}')) as foreign:
        refuse(past, 302, headers={"Location": f"{foreign.url}/api/calls"})
        entry = past.whole()

    assert entry["status"] == "failed"
    assert entry["error"].startswith("The provider refused to list the calls (302)")
    assert foreign.asked == []


def test_a_list_that_leads_back_to_the_same_page_is_no_endless_import(past: Past, change_settings: Settings) -> None:
    links: list[str] = []

    def lead_back(page: Row) -> Row:
        links.append(page["next"])
        return page | {"next": links[0]}

    with changed(past, lead_back, change_settings):
        entry = past.whole()

    assert (entry["status"], entry["imported"]) == ("failed", 10)
    assert entry["error"] == "The provider's list of calls leads back to the same page"


@pytest.mark.parametrize("link", ["/api/calls", "/api/calls?cursor=", "/api/calls?cursor=a%00", "http://[/?cursor=a"])
def test_a_link_without_a_cursor_is_no_end_of_the_list(past: Past, change_settings: Settings, link: str) -> None:
    with changed(past, lambda page: page | {"next": link}, change_settings):
        entry = past.whole()

    assert (entry["status"], entry["error"]) == (
        "in_progress",
        "The provider's link to the next page cannot be read",
    )


def test_a_cursor_that_the_provider_no_longer_knows_fails_the_job(past: Past, at: At) -> None:
    at("sync_recorded", lambda: refuse(past, 404, body={"detail": "Invalid cursor"}))

    entry = past.whole()

    assert entry["status"] == "failed"
    assert "(404)" in entry["error"]
    assert "Invalid cursor" in entry["error"]


def test_what_no_column_can_hold_is_replaced_and_the_call_is_imported(past: Past, change_settings: Settings) -> None:
    def with_nul(page: Row) -> Row:
        page["results"][3] |= {"shortSummary": "a\0b\ud800c", "metadata": {"n\0": "v\0"}}
        return page

    with changed(past, with_nul, change_settings):
        past.whole()

    past.assert_whole()
    query = "select count(*) from public.calls where agency_id = %s and short_summary = %s"
    assert past.world.value(query, past.world.agency.id, "a\ufffdb\ufffdc") == 4


NOT_TAKEN = ["1e400", "-1e400", "1" * 400 + ".5", "9" * 5000, "[" * 250 + "]" * 250]


@pytest.mark.parametrize("value", NOT_TAKEN, ids=lambda text: text[:6])
def test_a_value_that_no_reader_takes_is_left_out_and_the_call_is_imported(
    past: Past, change_settings: Settings, value: str
) -> None:
    def spoilt(page: bytes) -> bytes:
        before, name, after = page.partition(b'"metadata":')
        assert name
        return before + b'"mood":' + value.encode() + b"," + name + after

    with rewritten(past, spoilt, change_settings):
        past.whole()

    past.assert_whole()


@pytest.mark.parametrize("total", [b"1e400", b"-1", b"2147483648", b"9" * 5000, b'"many"', b"[]", b"true"])
def test_a_total_that_is_none_holds_no_import_up(past: Past, change_settings: Settings, total: bytes) -> None:
    with rewritten(past, lambda page: re.sub(rb'"total":\s*\d+', b'"total":' + total, page), change_settings):
        past.whole()

    assert set(past.imported()) == past.known().keys()
    assert (past.status, past.row()["total_calls"]) == ("completed", None)


def test_unknown_fields_and_values_are_imported_and_kept(past: Past, change_settings: Settings) -> None:
    def of_tomorrow(page: Row) -> Row:
        news = {"endReason": "abducted", "billingStatus": "BILLING_STATUS_BARTERED", "mood": {"level": 7}}
        return page | {"results": [call | news for call in page["results"]], "version": 9}

    with changed(past, of_tomorrow, change_settings):
        past.whole()

    past.assert_whole()
    query = "select distinct end_reason, billing_status, raw -> 'mood' as mood from public.calls where agency_id = %s"
    assert past.world.rows(query, past.world.agency.id) == [
        {"end_reason": "abducted", "billing_status": "BILLING_STATUS_BARTERED", "mood": {"level": 7}}
    ]


def test_a_database_that_is_away_ends_the_run_and_the_next_goes_on(
    past: Past, at: At, change_settings: Settings, stack_rest_url: str
) -> None:
    with passing_on(stack_rest_url) as served:
        pass_on = served.answer
        change_settings(SUPABASE_REST_URL=served.url)
        past.start()

        def go_away() -> None:
            served.answer = lambda asked: None if "record_sync_page" in asked.path else pass_on(asked)

        at("sync_recorded", go_away)
        entry = past.run()

    assert entry["status"] == "in_progress"
    assert entry["error"] == sync.FAILURE
    change_settings(SUPABASE_REST_URL=stack_rest_url)
    past.run()
    past.assert_whole()


def test_an_answer_of_the_database_that_is_lost_is_asked_for_again_and_nothing_counts_twice(
    past: Past, change_settings: Settings, stack_rest_url: str
) -> None:
    with passing_on(stack_rest_url) as served:
        pass_on = served.answer
        lost: list[str] = []

        def lose_each_first(asked: Asked) -> tuple[int, bytes] | None:
            answer = pass_on(asked)
            if "record_sync_page" in asked.path and len(lost) % 2 == 0:
                lost.append(asked.path)
                return None
            lost.append("") if "record_sync_page" in asked.path else None
            return answer

        served.answer = lose_each_first
        change_settings(SUPABASE_REST_URL=served.url)
        entry = past.whole()

    assert entry["reason"] == "all_calls_fetched"
    past.assert_whole()
