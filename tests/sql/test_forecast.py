"""What is foretold of a batch: as its real queues, hours and limits are, and never more than can come true."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.factories import Connection
    from tests.sql.world import World

NINE_TO_FIVE = {
    "timezone": "recipient",
    "weekly": {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
}
MONDAY = datetime(2027, 1, 11, 0, 0, tzinfo=UTC)
ZONES = ["America/New_York", "America/Los_Angeles", "Europe/London", "Asia/Kathmandu", "Pacific/Auckland", "UTC"]


def forecast(world: World, batch_id: object, seconds: float = 0) -> Any:
    row = world.connection.execute(
        "select public.batch_forecast(%s, batchline.clock() + make_interval(secs => %s))", [batch_id, seconds]
    ).fetchone()
    assert row
    return row[0]


def ahead(world: World, said: Any) -> float:
    """Seconds from now to the completion that is foretold."""
    return (datetime.fromisoformat(said["earliest_completion"]) - datetime.fromisoformat(world.time())).total_seconds()


@pytest.mark.parametrize(
    ("batch", "plan", "limited_by", "seconds"),
    [
        ({"calls_per_minute": 30, "max_concurrent": 100}, {}, "calls_per_minute", 120 / 30 * 60),
        ({"calls_per_minute": 60, "max_concurrent": 10}, {}, "max_concurrent", 120 / 10 * 60),
        ({"calls_per_minute": 60, "max_concurrent": 100}, {"max_calls_per_minute": 20}, "agency_limit", 120 / 20 * 60),
        ({"calls_per_minute": 60, "max_concurrent": 100}, {"max_concurrent_calls": 4}, "agency_limit", 120 / 4 * 60),
    ],
)
def test_the_lowest_limit_decides(
    world: World, batch: dict[str, Any], plan: dict[str, int], limited_by: str, seconds: float
) -> None:
    batch_id = world.create(120, calling_hours=None, **batch)
    world.set("agencies", world.agency.id, **{"max_requests_per_minute": 60_000} | plan)

    said = forecast(world, batch_id)

    assert said["limited_by"] == limited_by
    assert ahead(world, said) == pytest.approx(seconds + 60, abs=2)  # the last call takes a minute


def test_how_long_calls_take_is_learnt_from_those_that_ended(world: World) -> None:
    for call_id in [world.call_in("ended") for _ in range(20)]:
        world.connection.execute(
            "update public.calls set began_at = ended_at - interval '10 s' where id = %s", [call_id]
        )
    batch_id = world.create(120, calls_per_minute=600, max_concurrent=10)

    said = forecast(world, batch_id)

    assert said["limited_by"] == "max_concurrent"
    assert ahead(world, said) == pytest.approx(120 / 10 * 10 + 10, abs=2)


def test_what_the_plan_allows_is_shared_with_the_batches_that_are_being_dialled(world: World) -> None:
    world.set("agencies", world.agency.id, max_calls_per_minute=60)
    first = world.processing(60, calls_per_minute=60)
    assert ahead(world, forecast(world, first)) == pytest.approx(60 + 60, abs=2)

    world.processing(60, calls_per_minute=10)
    assert ahead(world, forecast(world, first)) == pytest.approx(60 / 50 * 60 + 60, abs=2)
    world.processing(60, calls_per_minute=60)
    assert ahead(world, forecast(world, first)) == pytest.approx(60 / 20 * 60 + 60, abs=2)


def in_zone(world: World, *zones: str) -> list[dict[str, Any]]:
    return [
        {"phone_number": number, "timezone": zone, "time_zones": [zone]}
        for number, zone in zip(world.numbers(len(zones)), zones, strict=True)
    ]


def at(world: World, batch_id: object, now: datetime) -> Any:
    row = world.connection.execute("select public.batch_forecast(%s, %s)", [batch_id, now]).fetchone()
    assert row
    return row[0]


def test_who_sleeps_is_waited_for(world: World) -> None:
    contacts = in_zone(world, *["America/New_York"] * 60, *["Asia/Kathmandu"] * 60)
    batch_id = world.create(contacts, calling_hours=NINE_TO_FIVE, calls_per_minute=60)

    # Midnight in London: Kathmandu opens at 03:15, New York at 14:00, and then 60 calls take a minute.
    assert at(world, batch_id, MONDAY) == {
        "earliest_completion": "2027-01-11T14:02:00Z",
        "limited_by": "calling_hours",
    }
    # Saturday: nobody before Monday.
    assert at(world, batch_id, MONDAY - timedelta(days=2))["earliest_completion"] == "2027-01-11T14:02:00Z"


def test_inside_the_hours_the_limits_decide(world: World) -> None:
    batch_id = world.create(in_zone(world, *["Europe/London"] * 60), calling_hours=NINE_TO_FIVE, calls_per_minute=60)

    said = at(world, batch_id, MONDAY + timedelta(hours=10))

    assert said == {"earliest_completion": "2027-01-11T10:02:00Z", "limited_by": "calls_per_minute"}


CANNOT_FINISH = {"earliest_completion": None, "limited_by": "cannot_finish"}


def test_what_cannot_finish_is_not_promised(world: World) -> None:
    one_minute_a_day = {"timezone": "recipient", "weekly": {"mon": [["09:00", "09:02"]]}}
    slow = world.create(in_zone(world, *["UTC"] * 12), calling_hours=one_minute_a_day, calls_per_minute=1)
    paused = world.processing(3)
    world.pause(paused)
    ending = world.create(120, calls_per_minute=60, ends_at=world.time(90))

    assert at(world, slow, MONDAY) == CANNOT_FINISH  # one call a week
    assert forecast(world, paused) == CANNOT_FINISH
    assert forecast(world, ending) == CANNOT_FINISH
    world.set("call_batches", ending, ends_at=world.time(150))
    assert forecast(world, ending)["limited_by"] == "calls_per_minute"


def test_of_a_batch_that_is_over_nothing_is_foretold(world: World) -> None:
    assert [forecast(world, world.batch_in(state)) for state in ("completed", "failed", "cancelled")] == [None] * 3


def test_what_a_rule_holds_back_is_waited_for(world: World) -> None:
    batch_id = world.processing(2)
    world.set("call_batches", batch_id, waiting_until=world.time(7200))

    assert ahead(world, forecast(world, batch_id)) == pytest.approx(7260, abs=2)


def test_a_draft_is_foretold_as_if_it_began_now_and_a_scheduled_batch_at_its_time(world: World) -> None:
    draft = world.create(60, status="draft", calls_per_minute=60)
    scheduled = world.create(60, scheduled_for=world.time(86_400), calls_per_minute=60)

    assert ahead(world, forecast(world, draft)) == pytest.approx(120, abs=2)
    assert ahead(world, forecast(world, scheduled)) == pytest.approx(86_400 + 120, abs=2)


def test_who_makes_a_batch_and_who_looks_at_it_read_the_same(world: World) -> None:
    answer = world.create_answer(60, calls_per_minute=60)

    seen = world.ask(
        world.agency.member, "get_call_batch", p_batch_id=answer["batch_id"], p_contact_status=None, p_contact_limit=1,
        p_contact_offset=0, p_contact_cursor=None,
    )  # fmt: skip

    assert answer["forecast"]["limited_by"] == seen["forecast"]["limited_by"] == "calls_per_minute"
    times = [datetime.fromisoformat(one["forecast"]["earliest_completion"]) for one in (answer, seen)]
    assert abs(times[0] - times[1]) < timedelta(seconds=5)


MINUTES = st.integers(0, 95).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
WINDOW = st.tuples(MINUTES, MINUTES).filter(lambda pair: pair[0] < pair[1]).map(list)
HOURS = st.dictionaries(
    st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]),
    st.lists(WINDOW, min_size=1, max_size=1),
    min_size=1,
)
SETS_OF_ZONES = st.lists(st.sampled_from(ZONES), min_size=1, max_size=2, unique=True)
QUEUE = st.fixed_dictionaries({"time_zones": SETS_OF_ZONES, "contacts": st.integers(1, 400)})
QUEUES = st.lists(QUEUE, min_size=1, max_size=4)


def walked(
    weekly: dict[str, list[list[str]]], queues: list[dict[str, Any]], a_minute: float, days: int
) -> datetime | None:
    """The same minute by minute: whoever may be called shares the minute's calls. Windows start on whole quarters."""
    left = [float(queue["contacts"]) for queue in queues]
    zones = [[ZoneInfo(zone) for zone in queue["time_zones"]] for queue in queues]
    for minute in range(days * 1440):
        now = MONDAY + timedelta(minutes=minute)
        waiting = [
            n
            for n, queue in enumerate(zones)
            if left[n] > 1e-9 and all(is_open(weekly, now.astimezone(zone)) for zone in queue)
        ]
        total = sum(left[n] for n in waiting)
        share = min(1.0, a_minute / total) if total else 0
        for n in waiting:
            left[n] -= left[n] * share
        if sum(left) <= 1e-6:
            return now
    return None


def is_open(weekly: dict[str, list[list[str]]], local: datetime) -> bool:
    day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][local.weekday()]
    minute = local.hour * 60 + local.minute
    return any(of(opens) <= minute < of(closes) - 1 for opens, closes in weekly.get(day, []))


def of(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(weekly=HOURS, queues=QUEUES, a_minute=st.sampled_from([0.5, 1, 7, 30, 120]))
def test_it_is_what_a_walk_through_the_minutes_comes_to(
    connection: Connection, weekly: dict[str, list[list[str]]], queues: list[dict[str, Any]], a_minute: float
) -> None:
    days = 20
    hours = {"timezone": "recipient", "weekly": weekly}
    row = connection.execute(
        "select public.forecast_end(%s, %s, %s, %s, %s)",
        [json.dumps(hours), json.dumps(queues), a_minute / 60, MONDAY, MONDAY + timedelta(days=days)],
    ).fetchone()
    expected = walked(weekly, queues, a_minute, days)

    assert row
    found = cast("datetime | None", row[0])
    if expected is None or found is None:
        assert found == expected
    else:
        assert abs(found - expected) <= timedelta(minutes=1)
