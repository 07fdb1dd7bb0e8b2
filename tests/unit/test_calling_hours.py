from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.calling_hours import DAYS, CallingHours, HasCallingHours
from shared.contacts import Contact
from shared.errors import BadRequestError
from shared.idempotency import fingerprint
from shared.inputs import validate
from shared.phone_numbers import e164, zones_of_number

A_PAIR = 'must be a start and an end such as ["08:00", "21:00"]'
NEITHER = 'calling_hours needs start and end, such as {"start": "08:00", "end": "21:00"}, or weekly'
SHORT = f"calling_hours with start and end {A_PAIR}, by the clock from 00:00 to 24:00"
NO_DATES = 'calling_hours.holidays must be a list of dates such as ["2026-12-25"]'
NAMES = ("timezone", "weekly", "holidays", "start", "end", "mon", "sun")
EVERY_DAY: dict[str, Any] = {
    "timezone": "recipient",
    "weekly": {day: [["08:00", "21:00"]] for day in DAYS},
    "holidays": [],
}


def canonical(**hours: object) -> dict[str, Any]:
    return validate(CallingHours, hours).canonical()


def problem_of(hours: object) -> str:
    with pytest.raises(BadRequestError) as refused:
        validate(HasCallingHours, {"calling_hours": hours})
    return str(refused.value)


def week(**days: object) -> dict[str, object]:
    return {"weekly": days}


def test_the_short_form_is_the_same_window_every_day() -> None:
    assert canonical(start="08:00", end="21:00") == EVERY_DAY
    assert canonical(**EVERY_DAY) == EVERY_DAY


def test_what_is_kept_is_in_order_and_says_nothing_twice() -> None:
    assert canonical(
        weekly={
            "sun": [],
            "fri": [["14:00", "18:00"], ["08:00", "00:00"]][:1],
            "mon": [["18:00", "02:00"], ["08:00", "12:00"]],
        },
        holidays=["2026-12-26", "2026-12-25", "2026-12-26"],
        timezone="Europe/Berlin",
    ) == {
        "timezone": "Europe/Berlin",
        "weekly": {"mon": [["08:00", "12:00"], ["18:00", "02:00"]], "fri": [["14:00", "18:00"]]},
        "holidays": ["2026-12-25", "2026-12-26"],
    }


def test_midnight_at_the_end_is_the_end_of_the_day() -> None:
    assert canonical(**week(mon=[["08:00", "00:00"]]))["weekly"] == {"mon": [["08:00", "24:00"]]}


REFUSED: list[tuple[Any, str]] = [
    ([], "calling_hours must be an object"),
    ({}, NEITHER),
    ({"timezone": "UTC"}, NEITHER),
    ({"start": "08:00"}, SHORT),
    ({"start": "8:00", "end": "21:00"}, SHORT),
    ({"start": "08:00", "end": "24:01"}, SHORT),
    ({"start": "24:00", "end": "08:00"}, SHORT),
    (
        {"start": "08:00", "end": "08:00"},
        'calling_hours with start and end must not end when it starts; a whole day is ["00:00", "24:00"]',
    ),
    ({"start": "08:00", "end": "21:00", "weekly": {}}, "calling_hours takes start and end, or weekly, not both"),
    (week(), 'calling_hours.weekly must have a window on some day, such as {"mon": [["08:00", "21:00"]]}'),
    (week(mon=[]), 'calling_hours.weekly must have a window on some day, such as {"mon": [["08:00", "21:00"]]}'),
    (week(monday=[]), "calling_hours.weekly must name its days mon, tue, wed, thu, fri, sat, sun, not monday"),
    (week(mon=["08:00", "21:00"]), f"calling_hours.weekly.mon[0] {A_PAIR}"),
    (week(mon=[["08:00"]]), f"calling_hours.weekly.mon[0] {A_PAIR}"),
    (week(mon=[[8, 21]]), f"calling_hours.weekly.mon[0] {A_PAIR}, by the clock from 00:00 to 24:00"),
    (week(tue=[["08:00", "09:00"], ["10:00", "10:00"]]),
     'calling_hours.weekly.tue[1] must not end when it starts; a whole day is ["00:00", "24:00"]'),
    (week(mon=[["23:59", "00:00"]]),
     "calling_hours.weekly.mon[0] must be longer than a minute: in its last minute no call begins"),
    (week(mon=[["08:00", "12:00"], ["11:59", "13:00"]]),
     "calling_hours.weekly has windows that overlap, on mon and mon; send them as one"),
    (week(sun=[["22:00", "02:00"]], mon=[["01:00", "03:00"]]),
     "calling_hours.weekly has windows that overlap, on sun and mon; send them as one"),
    (week(mon=[["22:00", "02:00"]], tue=[["01:00", "03:00"]]),
     "calling_hours.weekly has windows that overlap, on mon and tue; send them as one"),
    (EVERY_DAY | {"timezone": "Mars"},
     "calling_hours.timezone must be recipient or an IANA time zone, such as America/New_York"),
    (EVERY_DAY | {"timezone": "CET"},
     "calling_hours.timezone must be recipient or an IANA time zone, such as America/New_York"),
    (EVERY_DAY | {"holidays": "2026-12-25"}, NO_DATES),
    (EVERY_DAY | {"holidays": ["25.12.2026"]}, NO_DATES),
    (EVERY_DAY | {"holidays": ["2026-02-29"]}, NO_DATES),
    (EVERY_DAY | {"holidays": ["20261225"]}, NO_DATES),
    (EVERY_DAY | {"holidays": ["2026-12-25"] * 367}, "calling_hours.holidays must hold at most 366 dates"),
    (EVERY_DAY | {"breaks": []}, "calling_hours.breaks is not a known field"),
]  # fmt: skip


@pytest.mark.parametrize(("hours", "sentence"), REFUSED)
def test_hours_that_mean_nothing_are_refused(hours: object, sentence: str) -> None:
    assert problem_of(hours) == sentence


@pytest.mark.parametrize(
    "days",
    [
        {"mon": [["00:00", "24:00"]], "tue": [["00:00", "24:00"]]},
        {"mon": [["08:00", "12:00"], ["12:00", "18:00"]]},
        {"sun": [["20:00", "08:00"]], "mon": [["08:00", "20:00"]]},
        {"mon": [["22:00", "21:00"]]},
    ],
)
def test_windows_may_touch_and_run_over_midnight(days: dict[str, Any]) -> None:
    assert canonical(**week(**days))["weekly"] == days


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=20,
)


@given(JSON)
def test_whatever_is_sent_is_taken_or_refused_with_a_sentence(hours: object) -> None:
    try:
        validate(HasCallingHours, {"calling_hours": hours})
    except BadRequestError as refused:
        assert str(refused).startswith("calling_hours")  # noqa: PT017 - most are refused, some are not


def test_null_is_not_nothing() -> None:
    nothing, null = validate(HasCallingHours, {}), validate(HasCallingHours, {"calling_hours": None})

    assert nothing.model_dump() == {}
    assert null.model_dump() == {"calling_hours": None}
    assert fingerprint(nothing) != fingerprint(null)


def test_both_forms_of_the_same_hours_mean_the_same() -> None:
    short = validate(HasCallingHours, {"calling_hours": {"start": "08:00", "end": "21:00"}})
    long = validate(HasCallingHours, {"calling_hours": EVERY_DAY})

    assert fingerprint(short) == fingerprint(long)
    assert short.model_dump() == {"calling_hours": EVERY_DAY}


@pytest.mark.parametrize(
    ("number", "zones"),
    [
        ("+12125550123", {"America/New_York"}),
        ("+12085550123", {"America/Boise", "America/Los_Angeles"}),
        ("+16055550123", {"America/Denver", "America/North_Dakota/Center"}),
        ("+17015550123", {"America/Denver", "America/North_Dakota/Center"}),
        ("+17755550123", {"America/Boise", "America/Los_Angeles"}),
        ("+19075550123", {"America/Adak", "America/Anchorage"}),
        ("+19865550123", {"America/Boise", "America/Los_Angeles"}),
    ],
)
def test_a_number_of_two_zones_has_both(number: str, zones: set[str]) -> None:
    assert set(zones_of_number(e164(number))) == zones


def test_a_number_that_may_be_anywhere_in_its_country_has_all_its_zones() -> None:
    toll_free, mobile = zones_of_number("+18005550123"), zones_of_number("+61491570006")

    assert {"America/New_York", "America/Los_Angeles", "Pacific/Honolulu"} <= set(toll_free)
    assert {"Australia/Perth", "Australia/Sydney", "Australia/Lord_Howe"} <= set(mobile)
    assert list(toll_free) == sorted(toll_free)


def test_a_number_of_no_country_has_no_zone() -> None:
    assert zones_of_number("+80012345678") == ()


def test_a_contacts_own_time_zone_wins_over_its_numbers() -> None:
    assert Contact(phone_number="+12085550123", timezone="America/Boise").stored()["time_zones"] == ("America/Boise",)
    assert Contact(phone_number="+12085550123").stored()["time_zones"] == ("America/Boise", "America/Los_Angeles")
    assert Contact(phone_number="+80012345678").stored()["time_zones"] is None
