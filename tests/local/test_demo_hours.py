"""The demo of calling hours: its window at any time of the year, what it shows, and what it concludes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from rich.console import Console

from local.demo import hours
from local.demo.hours import CLOSES, CLOSING, KINDS, OPENING, OPENS, SLEEPS, STAYS
from local.demo.hours_report import Asleep, HoursEvidence, figures, hours_promises
from local.demo.hours_view import HoursView
from local.demo.report import Evidence, report
from local.demo.view import Frame
from local.demo.witness import CallRow, Zone
from local.demo_data import ACME
from shared.calling_hours import CallingHours
from shared.inputs import validate
from shared.new_batches import NewBatch

NOW = datetime(2030, 1, 15, 12, 0, 10, tzinfo=UTC)
WINDOW = hours.around(NOW)
TURN = datetime(2030, 1, 15, 12, 1, tzinfo=UTC)
AFTER = TURN + timedelta(seconds=90)
NAMES = {STAYS: "America/Puerto_Rico", OPENS: OPENING, CLOSES: CLOSING, SLEEPS: "Asia/Tokyo"}
TWO_PEOPLE = {STAYS: (2, 0), OPENS: (2, 0), CLOSES: (1, 1), SLEEPS: (0, 2)}  # called, waiting
BEGUN = {STAYS: NOW, CLOSES: NOW + timedelta(seconds=5), OPENS: TURN}
CHICAGO = timedelta(hours=1)  # from the turn until the next zone opens


def zones(at: datetime) -> list[Zone]:
    """Two people in a zone of each kind, as the database shows them at the end."""
    return [
        Zone(name, 2, *TWO_PEOPLE[kind], UUID(int=1), WINDOW.next_opening(name, at)) for kind, name in NAMES.items()
    ]


def calls() -> tuple[list[CallRow], list[dict[str, Any]], dict[str, str]]:
    """One call of each kind of zone but the sleeping one, its acceptance, and where the people are."""
    rows = [CallRow(UUID(int=number), "ended", 1, at) for number, at in enumerate(BEGUN.values())]
    accepted = [
        {
            "call_id": f"{row.call_id}",
            "contact_id": kind,
            "accepted_at": row.began_at.timestamp() + 0.01,
            "accepted_monotonic": row.began_at.timestamp() + 0.01,
        }
        for kind, row in zip(BEGUN, rows, strict=True)
        if row.began_at
    ]
    return rows, accepted, NAMES


def seen(**changes: Any) -> HoursEvidence:
    rows, accepted, whereabouts = calls()
    batch = {"calls_per_minute": 60, "max_concurrent": 5, "remaining_count": 3, "queued": 3, "status": "processing"}
    shown = zones(AFTER)
    until = min(WINDOW.next_opening(zone.name, AFTER) for zone in shown if zone.waiting)
    oracle = {"double_dials": 0, "most_calls_per_contact": 1, "most_concurrent": 2}
    dialled = Evidence(
        batch | {"waiting_until": until.isoformat()}, 3, 9, [], None, oracle, accepted, rows, {"answered": 3}, 60.0
    )
    good = HoursEvidence(
        dialled=dialled,
        hours=WINDOW,
        at=AFTER,
        zones=shown,
        whereabouts=whereabouts,
        asleep=[Asleep(zone, f"Queued: calling hours begin in 9 h in {zone.name}") for zone in shown if zone.waiting],
        forecast={"earliest_completion": "2030-01-16T12:00:00Z", "limited_by": "calling_hours"},
        skipped=3,
    )
    return replace(good, **changes)


def broken(evidence: HoursEvidence) -> list[str]:
    return [promise.text for promise in hours_promises(evidence) if not promise.held]


def begun_at(kind: str, at: datetime) -> HoursEvidence:
    """The call of that kind of zone at another time."""
    dialled, index = seen().dialled, list(BEGUN).index(kind)
    rows, accepted = list(dialled.calls), [dict(call) for call in dialled.accepted]
    rows[index] = replace(rows[index], began_at=at)
    accepted[index] |= {"accepted_at": at.timestamp() + 0.01, "accepted_monotonic": at.timestamp() + 0.01}
    rows.sort(key=lambda row: row.began_at or NOW)
    accepted.sort(key=lambda call: call["accepted_at"])
    return seen(dialled=replace(dialled, calls=rows, accepted=accepted))


def without(kind: str) -> HoursEvidence:
    """As if nobody in that kind of zone had been called."""
    dialled, gone = seen().dialled, list(BEGUN).index(kind)
    rows = [row for index, row in enumerate(dialled.calls) if index != gone]
    accepted = [call for index, call in enumerate(dialled.accepted) if index != gone]
    return seen(dialled=replace(dialled, calls=rows, accepted=accepted))


def with_zone(kind: str, **changes: Any) -> HoursEvidence:
    return seen(zones=[replace(zone, **changes) if zone.name == NAMES[kind] else zone for zone in zones(AFTER)])


def with_batch(**changes: Any) -> HoursEvidence:
    dialled = seen().dialled
    return seen(dialled=replace(dialled, batch=dialled.batch | changes))


@pytest.mark.parametrize("month", range(1, 13))
def test_at_any_time_of_the_year_zones_stay_open_open_close_and_sleep(month: int) -> None:
    for hour in range(24):
        for second in (0, 39, 40, 41):
            now = datetime(2030, month, 1 + hour, hour, 59, second, tzinfo=UTC)
            window = hours.around(now)

            assert timedelta(seconds=20) <= window.turn - now <= timedelta(seconds=80)
            assert set(Counter(map(window.kind, hours.ZONES))) == set(KINDS)
            validate(CallingHours, window.json())


def test_forty_zones_are_called_in_turn_and_the_list_can_be_sent() -> None:
    listed = hours.contacts(400, seed=1)

    assert set(Counter(contact["timezone"] for contact in listed).values()) == {10}
    assert len(hours.ZONES) == 40
    whose = {"agent_mapping_id": ACME.agent_mapping_id, "campaign_id": ACME.campaign_id}
    validate(NewBatch, {**whose, "from_number": ACME.from_number, **hours.settings(WINDOW, listed, NOW)})


def test_the_turn_comes_before_all_who_may_be_called_until_then_have_been() -> None:
    listed = hours.contacts(400, seed=1)
    early = sum(WINDOW.kind(contact["timezone"]) in (STAYS, CLOSES) for contact in listed)

    assert 0 < hours.pace(WINDOW, listed, NOW) * ((TURN - NOW) / timedelta(minutes=1)) < early


def test_no_call_may_begin_in_the_last_minute_of_the_window() -> None:
    assert [WINDOW.may_begin(CLOSING, TURN + timedelta(seconds=second)) for second in (-1, 0)] == [True, False]
    assert [WINDOW.allows(CLOSING, TURN + timedelta(seconds=second)) for second in (59, 60)] == [True, False]
    assert [WINDOW.may_begin(OPENING, TURN + timedelta(seconds=second)) for second in (-1, 0)] == [False, True]


def test_the_next_opening_is_the_minute_at_which_the_clock_there_shows_it() -> None:
    assert WINDOW.next_opening("America/Chicago", AFTER) == TURN + CHICAGO
    assert WINDOW.next_opening("America/Puerto_Rico", AFTER) == AFTER + timedelta(seconds=30)


def test_a_run_without_fault_keeps_every_promise() -> None:
    assert broken(seen()) == []


@pytest.mark.parametrize(
    ("evidence", "promise"),
    [
        (begun_at(OPENS, TURN - timedelta(seconds=2)), "Calls outside hours: accepted, begun"),
        (begun_at(CLOSES, TURN + timedelta(seconds=2)), "Calls outside hours: accepted, begun"),
        (with_zone(OPENS, waiting=1), "People whose hours are open, called"),
        (with_zone(STAYS, called=1), "People whose hours are open, called"),
        (without(OPENS), "Calls where it was open, opened and closed"),
        (with_batch(queued=2), "People who sleep, still queued"),
        (seen(asleep=seen().asleep[:1]), "Zones asleep whose people are told so"),
        (seen(asleep=[replace(one, why="Queued") for one in seen().asleep]), "Zones asleep whose people are told so"),
        (with_zone(SLEEPS, opens_at=AFTER), "Next openings unlike the clock on the wall"),
        (with_batch(waiting_until="2030-01-15T13:00:00Z"), "The batch waits until the next opening"),
        (with_batch(waiting_until=None), "The batch waits until the next opening"),
        (seen(skipped=2), "People skipped when the batch was cancelled"),
    ],
)
def test_one_fault_breaks_its_promise(evidence: HoursEvidence, promise: str) -> None:
    assert broken(evidence) == [promise]


def printed(renderable: Any, width: int = 96) -> str:
    console = Console(width=width, file=StringIO())
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_the_report_says_for_each_kind_of_zone_who_was_called() -> None:
    text = printed(report(seen().dialled, hours_promises(seen()), figures(seen())))

    assert "1 zones: 1 of 2 people called, 1 left in the queue" in text
    assert "all called at Wed 12:00 UTC at the earliest" in text
    assert "All promises were kept." in text


def frame(at: datetime, until: str | None = None) -> Frame:
    limits = {"calls_per_minute": 60, "max_concurrent": 60}
    counters = {"total_contacts": 8, "remaining_count": 3, "in_progress": 0, "completed": 5, "queued": 3}
    state = {"name": "8 people to call", "status": "processing", "progress_percentage": 40.0, "waiting_until": until}
    oracle = {"accepted": 5, "double_dials": 0, "most_concurrent": 2}
    return Frame(limits | counters | state, {1: 1}, [], oracle, 3, 0, elapsed=9.0, moving=9.0, zones=zones(at))


def test_each_zone_has_a_line_with_its_clock_its_window_and_who_waits_until_when() -> None:
    view = HoursView(WINDOW, now=lambda: AFTER)
    rows = printed(view.picture(frame(AFTER, "2030-01-15T13:01:00Z"))).splitlines()
    (tokyo,) = [row for row in rows if "Asia/Tokyo" in row]

    assert "21:02" in tokyo
    assert tokyo.count("●") == 1
    assert tokyo.count("━") == 9  # six of 24 hours, in 36 cells
    assert "0/2" in tokyo
    assert "2 until Wed 07:01" in tokyo
    assert any("waits until 13:01 UTC, 0 h 58 min from now" in row for row in rows)
    assert max(map(len, rows)) <= 96
    assert [row.split()[1] for row in rows if "●" in row and "/2" in row] == list(NAMES.values())


def test_until_the_turn_the_picture_counts_down_to_it() -> None:
    view = HoursView(WINDOW, now=lambda: NOW)

    assert "hours open and close in 0:50" in printed(view.picture(frame(NOW)))


def test_the_line_says_how_many_sleep() -> None:
    text = HoursView(WINDOW, now=lambda: AFTER).line(frame(AFTER))

    assert "3 asleep" in text
    assert "to go -" in text
    assert "hours have opened and closed" in text
