"""What the demo concludes from what was seen: a good run passes, and each promise can be broken on its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from rich.console import Console

from local.demo.past import Imported, imported_once
from local.demo.report import Evidence, Pause, late_calls, promises, reached_pace, report
from local.demo.witness import CallRow

START = datetime(2030, 1, 1, tzinfo=UTC)
PACE = 120  # a minute, so 2 a second
PAUSE = Pause(
    START + timedelta(seconds=10), START + timedelta(seconds=16), confirmed=110.05, resuming=116, in_progress=2
)
PAUSE_LATER = replace(
    PAUSE, paused_at=START + timedelta(hours=1), resumed_at=START + timedelta(hours=2), confirmed=3700, resuming=7300
)


def call_id(number: int) -> UUID:
    return UUID(int=number)


def rows(*seconds: float, attempt: int = 1, first: int = 0) -> list[CallRow]:
    """Calls that began so many seconds after the start."""
    return [
        CallRow(call_id(first + number), "ended", attempt, START + timedelta(seconds=at))
        for number, at in enumerate(seconds)
    ]


def acceptances(calls: list[CallRow], after: float = 0.005) -> list[dict[str, Any]]:
    """The provider's list of the calls, each accepted so many seconds after it began; its clock shows 100 at START."""
    return [
        {
            "call_id": str(call.call_id),
            "contact_id": str(call.call_id),
            "accepted_at": call.began_at.timestamp() + after,
            "accepted_monotonic": 100 + (call.began_at - START).total_seconds() + after,
        }
        for call in calls
        if call.began_at
    ]


def evidence(**changes: Any) -> Evidence:
    """A run of 20 people, two at a time from second to second, with a pause in the middle."""
    calls = rows(*(second for second in (*range(5, 10), *range(17, 22)) for _ in range(2)))
    good = Evidence(
        batch={
            "status": "completed",
            "total_contacts": 20,
            "remaining_count": 0,
            "calls_per_minute": PACE,
            "max_concurrent": 5,
        },
        max_attempts=3,
        polls=40,
        wrong_polls=[],
        pause=PAUSE,
        oracle={"double_dials": 0, "most_calls_per_contact": 3, "most_concurrent": 5},
        accepted=acceptances(calls),
        calls=calls,
        outcomes={"answered": 19, "no_answer": 1},
        seconds=24.0,
    )
    return replace(good, **changes)


def with_calls(*seconds: float, after: float = 0.005) -> Evidence:
    calls = rows(*seconds)
    return evidence(calls=calls, accepted=acceptances(calls, after))


def broken(seen: Evidence) -> list[str]:
    return [promise.text for promise in promises(seen) if not promise.held]


def printed(seen: Evidence) -> str:
    console = Console(width=96, file=StringIO())
    with console.capture() as capture:
        console.print(report(seen, promises(seen)))
    return capture.get()


def test_a_run_without_fault_keeps_every_promise() -> None:
    assert broken(evidence()) == []
    assert "All promises were kept." in printed(evidence())


@pytest.mark.parametrize(
    ("changes", "promise"),
    [
        ({"batch": evidence().batch | {"status": "paused"}}, "People dealt with, and the batch completed"),
        ({"batch": evidence().batch | {"remaining_count": 1}}, "People dealt with, and the batch completed"),
        ({"oracle": evidence().oracle | {"double_dials": 1}}, "Double dials: called while on a call"),
        ({"oracle": evidence().oracle | {"most_calls_per_contact": 4}}, "Calls to one person"),
        ({"oracle": evidence().oracle | {"most_concurrent": 6}}, "Calls live at once"),
        ({"wrong_polls": ["Counters {}, but contacts {}."]}, "Counters unlike the contacts, in 40 looks"),
        ({"pause": None}, "Calls begun after a pause, while it lasted"),
        ({"accepted": evidence().accepted[1:]}, "Calls that only the provider or only we know of"),
        ({"calls": evidence().calls[1:]}, "Calls that only the provider or only we know of"),
    ],
)
def test_one_fault_breaks_one_promise(changes: dict[str, Any], promise: str) -> None:
    seen = evidence(**changes)

    assert broken(seen) == [promise]
    assert f"Not kept: {promise}" in " ".join(printed(seen).split())
    assert "All promises were kept." not in printed(seen)


def test_a_third_call_within_a_second_breaks_the_pace_for_the_database_and_the_provider() -> None:
    assert broken(with_calls(0, 0, 0.899)) == ["Calls begun in any 1 s", "Calls arrived in any 1 s (± 50 ms)"]


def test_the_database_is_held_to_the_microsecond() -> None:
    assert broken(with_calls(0, 0, 0.999999)) == ["Calls begun in any 1 s"]
    assert broken(with_calls(0, 0, 1)) == []


def test_each_arrival_may_be_50_ms_early_or_late_and_no_more() -> None:
    calls = rows(0, 0, 1)
    arrived = acceptances(calls)
    for late, expected in ((0.09, []), (0.11, ["Calls arrived in any 1 s (± 50 ms)"])):
        early = [{**call, "accepted_monotonic": call["accepted_monotonic"] + late} for call in arrived[:2]]
        assert broken(evidence(calls=calls, accepted=[*early, arrived[2]])) == expected


def test_a_busy_machine_is_named_where_arrivals_came_too_close() -> None:
    calls = rows(0, 0, 1)
    slow = acceptances(calls[:2], after=0.4) + acceptances(calls[2:])

    assert "A call took 400 ms to get there: was the machine busy?" in " ".join(
        printed(evidence(calls=calls, accepted=slow)).split()
    )
    assert "busy" not in printed(with_calls(0, 0, 0.5))


def test_one_call_too_many_within_a_minute_breaks_the_pace() -> None:
    a_minute = [second / 2 for second in range(PACE)]  # two a second are allowed, so are 120 a minute

    assert broken(replace(with_calls(*a_minute), pause=PAUSE_LATER)) == []
    assert broken(replace(with_calls(*a_minute, 59.99), pause=PAUSE_LATER)) != []
    assert broken(replace(with_calls(*a_minute, 60), pause=PAUSE_LATER)) == []


def test_a_call_that_began_before_the_pause_may_arrive_after_it() -> None:
    calls = rows(9.99)

    assert late_calls(evidence(calls=calls, accepted=acceptances(calls, after=0.5)), PAUSE) == set()


def test_a_call_that_began_after_the_pause_is_late_wherever_it_is_known() -> None:
    calls = rows(10.1)

    assert late_calls(evidence(calls=calls, accepted=[]), PAUSE) == {str(call_id(0))}
    assert late_calls(evidence(calls=[], accepted=acceptances(calls)), PAUSE) == {str(call_id(0))}


def test_a_late_call_breaks_the_pause_and_nothing_else() -> None:
    calls = rows(9, 12)

    assert broken(evidence(calls=calls, accepted=acceptances(calls))) == ["Calls begun after a pause, while it lasted"]


def test_calls_after_the_resumption_are_not_late() -> None:
    calls = rows(16.01)

    assert late_calls(evidence(calls=calls, accepted=acceptances(calls)), PAUSE) == set()


def test_the_pace_reached_leaves_out_the_pause_and_the_retries_at_the_end() -> None:
    retries = rows(30, 40, attempt=2, first=100)

    assert reached_pace(evidence(calls=[*evidence().calls, *retries])) == 120
    assert reached_pace(evidence(calls=rows(5), pause=None)) is None
    assert reached_pace(evidence(calls=[], pause=None)) is None


def test_the_report_tells_what_became_of_the_people() -> None:
    text = printed(evidence())

    assert "19 answered, 1 no answer" in text
    assert "20 in 24 s: 20 people once" in text
    assert "120 of 120 calls a minute (100.0%)" in text
    assert "5 ms from a call's beginning to the provider, at most 5 ms" in text
    assert "6.0 s: 2 calls went on, 0 of which" in text


def imported(**changes: Any) -> Imported:
    """A past of 50 calls and a batch's 12, all of them read."""
    job = {"status": "completed", "total_calls": 62, "processed_calls": 62, "imported_calls": 50, "error_message": None}
    return replace(Imported(job, known=50, rows=50, calls=50), **changes)


def test_a_past_that_was_imported_whole_is_a_promise_kept() -> None:
    promise = imported_once(imported())

    assert (promise.limit, promise.seen, promise.held) == ("50", "50", True)


@pytest.mark.parametrize(
    "changes",
    [
        {"known": 51},
        {"rows": 51},
        {"calls": 49, "rows": 49},
        {"job": imported().job | {"status": "in_progress"}},
        {"job": imported().job | {"processed_calls": 61}},
        {"job": imported().job | {"imported_calls": 49}},
        {"job": imported().job | {"status": "failed", "error_message": "The provider answered 500"}},
    ],
)
def test_a_past_call_that_is_missing_or_doubled_breaks_the_promise(changes: dict[str, Any]) -> None:
    promise = imported_once(imported(**changes))

    assert not promise.held
    assert ("500" in promise.hint) == (promise.seen.endswith("failed"))
