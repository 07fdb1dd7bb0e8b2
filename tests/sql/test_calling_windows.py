"""calling_windows against the wall clocks of the world: no call outside, none refused inside but in the last minute."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from phonenumbers.tzdata import TIMEZONE_DATA
from psycopg.types.json import Jsonb

from shared.time_zones import is_iana
from tests.sql import wall_clock
from tests.sql.checks import query

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.factories import Connection
    from tests.sql.wall_clock import Span

    Json = dict[str, Any]

YEAR = 2027
FIXED = (
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Phoenix",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "America/Nuuk",
)
# Not places: what files of the zone database are called that no clock shows.
ZONES = sorted(zone for zone in available_timezones() - {"localtime", "Factory", "posixrules"} if is_iana(zone))
EVERY_DAY = {day: [["08:00", "21:00"]] for day in wall_clock.DAYS}


def hours(weekly: Json = EVERY_DAY, holidays: Sequence[str] = (), timezone: str = "recipient") -> Json:
    return {"timezone": timezone, "weekly": weekly, "holidays": list(holidays)}


def windows(
    connection: Connection, given: Json | None, zones: Sequence[str], start: str, end: str
) -> list[tuple[str, str]]:
    """As text in UTC, to the minute."""
    statement = """
        select to_char(opens_at at time zone 'UTC', 'MM-DD HH24:MI'),
               to_char(closes_at at time zone 'UTC', 'MM-DD HH24:MI')
        from public.calling_windows(%s, %s, %s, %s)
    """
    return query(connection, statement, Jsonb(given) if given else None, list(zones), start, end)  # pyright: ignore[reportReturnType]


def found(connection: Connection, given: Json, zones: Sequence[str], start: datetime, end: datetime) -> list[Span]:
    statement = "select opens_at, closes_at from public.calling_windows(%s, %s, %s, %s)"
    return [
        (a.astimezone(UTC), b.astimezone(UTC))
        for a, b in query(connection, statement, Jsonb(given), list(zones), start, end)
    ]


def days_of_change(zone: str) -> Iterator[tuple[datetime, datetime]]:
    """A day before to a day after every change of the clocks in a year, or some days of a zone that has none."""
    for day in wall_clock.changes(zone, YEAR) or (datetime(YEAR, 5, 1, tzinfo=UTC),):
        yield day - timedelta(days=1), day + timedelta(days=2)


def assert_agrees_with_the_wall_clock(connection: Connection, zones: Sequence[str], dice: random.Random) -> None:
    for start, end in days_of_change(zones[0]):
        if not all(is_known_alike(connection, zone, start, end) for zone in zones):
            continue
        given = wall_clock.random_hours(dice, start.date())
        expected = wall_clock.windows(given, zones, start, end)
        assert found(connection, given, zones, start, end) == expected, (given, zones)


def is_known_alike(connection: Connection, zone: str, start: datetime, end: datetime) -> bool:
    """Whether the database and Python have the same rules for these days: their zone databases may be a year apart."""
    hours = [start + n * timedelta(hours=1) for n in range(round((end - start) / timedelta(hours=1)))]
    told = query(connection, "select at at time zone %s from unnest(%s) as hour (at)", zone, hours)
    return [wall for (wall,) in told] == [hour.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for hour in hours]


def chosen(every_zone: bool) -> list[str]:
    return ZONES if every_zone else [*FIXED, *random.sample(ZONES, 12)]


def test_a_call_may_begin_exactly_while_the_wall_clock_says_so(connection: Connection, every_zone: bool) -> None:
    dice = random.Random()  # noqa: S311 - what fails names its case
    for zone in chosen(every_zone):
        assert_agrees_with_the_wall_clock(connection, [zone], dice)


def test_few_zones_are_known_to_one_side_alone(connection: Connection, every_zone: bool) -> None:
    different = {
        zone
        for zone in chosen(every_zone)
        for start, end in days_of_change(zone)
        if not is_known_alike(connection, zone, start, end)
    }

    assert len(different) <= 6, different  # or the tests above would pass without having looked


def test_of_several_zones_every_clock_must_say_so(connection: Connection, every_zone: bool) -> None:
    dice = random.Random()  # noqa: S311 - what fails names its case
    for zone in chosen(every_zone)[:: 1 if every_zone else 2]:
        assert_agrees_with_the_wall_clock(connection, [zone, *dice.sample(ZONES, dice.choice((1, 2, 3)))], dice)


def test_new_york_loses_an_hour_in_march_and_has_one_twice_in_november(connection: Connection) -> None:
    early = hours({"sun": [["01:30", "03:30"]]})

    assert windows(connection, early, ["America/New_York"], "2027-03-14Z", "2027-03-15Z") == [
        ("03-14 06:30", "03-14 07:29")
    ]
    # 01:30 EDT to 02:00, when it is 01:00 again; 01:30 EST to 03:30 EST
    assert windows(connection, early, ["America/New_York"], "2027-11-07Z", "2027-11-08Z") == [
        ("11-07 05:30", "11-07 05:59"), ("11-07 06:30", "11-07 08:29"),
    ]  # fmt: skip
    # A window that starts in the hour that is left out opens when the clock has gone on; one within it never.
    assert windows(
        connection, hours({"sun": [["02:30", "04:00"]]}), ["America/New_York"], "2027-03-14Z", "2027-03-15Z"
    ) == [("03-14 07:00", "03-14 07:59")]
    assert (
        windows(connection, hours({"sun": [["02:10", "02:50"]]}), ["America/New_York"], "2027-03-14Z", "2027-03-15Z")
        == []
    )


def test_the_day_of_new_york_is_an_hour_shorter_and_longer_over_midnight(connection: Connection) -> None:
    night = hours({"sat": [["22:00", "06:00"]]})

    assert windows(connection, night, ["America/New_York"], "2027-03-13Z", "2027-03-15Z") == [
        ("03-14 03:00", "03-14 09:59")
    ]
    assert windows(connection, night, ["America/New_York"], "2027-11-06Z", "2027-11-08Z") == [
        ("11-07 02:00", "11-07 10:59")
    ]


def test_lord_howe_changes_by_half_an_hour(connection: Connection) -> None:
    early = hours({"sun": [["01:00", "03:00"]]})

    # April: at 02:00 (+11) it is 01:30 (+10:30). October: at 02:00 (+10:30) it is 02:30 (+11).
    assert windows(connection, early, ["Australia/Lord_Howe"], "2027-04-03Z", "2027-04-05Z") == [
        ("04-03 14:00", "04-03 16:29")
    ]
    assert windows(connection, early, ["Australia/Lord_Howe"], "2027-10-02Z", "2027-10-04Z") == [
        ("10-02 14:30", "10-02 15:59")
    ]


def test_phoenix_does_not_change(connection: Connection) -> None:
    for day, next_day in (("2027-03-14", "2027-03-15"), ("2027-11-07", "2027-11-08")):
        (window,) = windows(connection, hours(), ["America/Phoenix"], f"{day} 12:00Z", f"{next_day} 12:00Z")
        assert window == (f"{day[5:]} 15:00", f"{next_day[5:]} 03:59")


def test_kathmandu_is_three_quarters_of_an_hour_off(connection: Connection) -> None:
    assert windows(connection, hours(), ["Asia/Kathmandu"], "2027-03-14Z", "2027-03-15Z") == [
        ("03-14 02:15", "03-14 15:14")
    ]


def test_a_holiday_takes_what_starts_on_it_and_not_what_started_the_evening_before(connection: Connection) -> None:
    nights = hours({day: [["20:00", "02:00"]] for day in wall_clock.DAYS}, holidays=["2026-12-25"])

    # 20:00 in Berlin is 19:00Z: the night to the 25th is there, the one from the 25th is not
    assert windows(connection, nights, ["Europe/Berlin"], "2026-12-24 12:00Z", "2026-12-27 12:00Z") == [
        ("12-24 19:00", "12-25 00:59"), ("12-26 19:00", "12-27 00:59"),
    ]  # fmt: skip
    # and whose date it is decides the zone
    day = hours(holidays=["2026-12-25"])
    assert windows(connection, day, ["Pacific/Auckland"], "2026-12-24 12:00Z", "2026-12-25 12:00Z") == []
    assert windows(connection, day, ["America/New_York"], "2026-12-24 12:00Z", "2026-12-25 02:00Z") == [
        ("12-24 13:00", "12-25 01:59")
    ]


def test_windows_that_touch_are_one_and_have_one_last_minute(connection: Connection) -> None:
    whole = hours({"mon": [["08:00", "12:00"], ["12:00", "24:00"]], "tue": [["00:00", "02:00"]]})

    assert windows(connection, whole, ["UTC"], "2027-03-01Z", "2027-03-03Z") == [("03-01 08:00", "03-02 01:59")]


def test_all_zones_must_be_open_at_once(connection: Connection) -> None:
    assert windows(
        connection, hours(), ["America/New_York", "America/Los_Angeles"], "2027-03-02 06:00Z", "2027-03-03 06:00Z"
    ) == [
        ("03-02 16:00", "03-03 01:59")  # 08:00 in Los Angeles to 20:59 in New York
    ]
    work = hours({day: [["09:00", "17:00"]] for day in wall_clock.DAYS})
    assert windows(connection, work, ["Europe/London", "Pacific/Auckland"], "2027-03-01Z", "2027-03-09Z") == []


def test_a_zone_that_the_hours_name_counts_alone(connection: Connection) -> None:
    assert windows(connection, hours(timezone="Europe/Berlin"), ["America/New_York"], "2027-03-02Z", "2027-03-03Z") == [
        ("03-02 07:00", "03-02 19:59")
    ]


def test_null_is_always_open_and_what_is_not_known_never(connection: Connection) -> None:
    assert windows(connection, None, [], "2027-03-02Z", "2027-03-03Z") == [("03-02 00:00", "03-03 00:00")]
    assert windows(connection, hours(), [], "2027-03-02Z", "2027-03-03Z") == []
    assert windows(connection, hours(), ["America/Atlantis"], "2027-03-02Z", "2027-03-03Z") == []
    assert windows(connection, hours(), ["America/New_York", "America/Atlantis"], "2027-03-02Z", "2027-03-03Z") == []


def test_the_database_knows_every_zone_in_which_a_number_can_be(connection: Connection) -> None:
    named = {zone for zones in TIMEZONE_DATA.values() for zone in zones}
    known = {name for (name,) in query(connection, "select name from pg_timezone_names")}

    assert len(named) > 200
    assert named - known == set()


@pytest.mark.parametrize("fraction", ["4", "999999"])
def test_a_change_is_found_to_the_second_wherever_one_begins_to_look(connection: Connection, fraction: str) -> None:
    statement = "select upper(span) from public.offset_spans('America/New_York', %s, '2027-03-20Z') limit 1"

    assert query(connection, statement, f"2027-03-12 11:22:33.{fraction}Z") == [(datetime(2027, 3, 14, 7, tzinfo=UTC),)]
