"""Who may be dialled when: calling hours in the claim and again in begin_dial, and what a batch says of its waiting."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from tests.sql.checks import assert_sound, query
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.factories import Connection

NEW_YORK, LOS_ANGELES, KATHMANDU = "America/New_York", "America/Los_Angeles", "Asia/Kathmandu"
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOURS: dict[str, Any] = {
    "timezone": "recipient", "weekly": {day: [["08:00", "21:00"]] for day in WEEK}, "holidays": [],
}  # fmt: skip
NUMBERS = [f"+1213555{number:04}" for number in range(100, 200)]


@pytest.fixture
def world(connection: Connection) -> World:
    """The usual one, on Tuesday, 2 March 2027, 12:00 UTC: 07:00 in New York, 04:00 in Los Angeles."""
    world = World(connection)
    set_clock(world, "2027-03-02T12:00:00+00:00")
    return world


def set_clock(world: World, time: str) -> None:
    ahead = datetime.fromisoformat(time) - datetime.fromisoformat(world.time())
    world.move_clock(ahead.total_seconds())


def people(*zones: Iterable[str] | None) -> list[dict[str, Any]]:
    """One contact for each set of time zones."""
    return [
        {"phone_number": number, "time_zones": None if of_one is None else sorted(of_one)}
        for number, of_one in zip(NUMBERS, zones, strict=False)
    ]


def hours_of(world: World, batch_id: UUID) -> Any:
    return world.batch(batch_id)["calling_hours"]


def claimed_numbers(world: World, limit: int = 1000) -> list[str]:
    return [order["to_number"] for order in world.claim_answer(limit)["calls"]]


def instant(written: str | None) -> datetime | None:
    return written and datetime.fromisoformat(written)  # pyright: ignore[reportReturnType]


def at(written: str) -> datetime:
    return datetime.fromisoformat(written)


def test_only_those_are_claimed_whose_hours_are_open(world: World) -> None:
    batch_id = world.processing(people([NEW_YORK], [KATHMANDU], [LOS_ANGELES], [KATHMANDU]), calling_hours=HOURS)

    assert claimed_numbers(world) == [NUMBERS[1], NUMBERS[3]]
    set_clock(world, "2027-03-02T13:00:00+00:00")
    assert claimed_numbers(world) == [NUMBERS[0]]
    set_clock(world, "2027-03-02T16:00:00+00:00")
    assert claimed_numbers(world) == [NUMBERS[2]]
    assert world.batch(batch_id)["waiting_until"] is None


def test_the_next_claim_is_when_hours_open(world: World) -> None:
    world.processing(people([NEW_YORK], [LOS_ANGELES]), calling_hours=HOURS)

    answer = world.claim_answer()

    assert answer["calls"] == []
    assert answer["next_claim_in"] == pytest.approx(3600, abs=5)
    assert not answer["waiting_for_slot"]


def test_a_batch_that_waits_for_hours_stays_processing_and_says_until_when(world: World) -> None:
    batch_id = world.processing(people([NEW_YORK], [LOS_ANGELES]), calling_hours=HOURS)
    for _ in range(3):
        world.claim_answer()

    batch = world.batch(batch_id)
    assert (batch["status"], instant(batch["waiting_until"])) == ("processing", at("2027-03-02T13:00:00+00:00"))
    (told,) = world.events(batch_id=batch_id, event="deferred")
    assert (told["contact_id"], told["detail"]) == (None, {"until": "2027-03-02T13:00:00Z"})

    set_clock(world, "2027-03-02T13:00:00+00:00")
    call_id = world.dial()[0]
    world.accept([call_id])
    world.finish(call_id, talk_seconds=30)
    world.claim_answer()
    assert instant(world.batch(batch_id)["waiting_until"]) == at("2027-03-02T16:00:00+00:00")
    world.pause(batch_id)
    assert world.batch(batch_id)["waiting_until"] is None
    assert_sound(world.connection)


def test_no_call_begins_in_the_last_minute_of_a_window(world: World) -> None:
    world.processing(people([KATHMANDU], [KATHMANDU]), calling_hours=HOURS)

    set_clock(world, "2027-03-02T15:13:59+00:00")  # 20:58:59 there
    assert len(world.dial(1)) == 1
    set_clock(world, "2027-03-02T15:14:00+00:00")
    assert claimed_numbers(world) == []


def test_what_was_claimed_in_time_does_not_begin_when_hours_are_over(world: World) -> None:
    batch_id = world.processing(people([KATHMANDU]), calling_hours=HOURS)
    set_clock(world, "2027-03-02T15:13:58+00:00")
    calls = world.claim()

    set_clock(world, "2027-03-02T15:14:01+00:00")
    assert world.begin(calls) == []

    (contact,) = world.contacts(batch_id)
    assert (contact["status"], contact["attempts"]) == ("queued", 0)
    assert contact["reason"] == "Not begun: calling hours are over"
    assert claimed_numbers(world) == []
    set_clock(world, "2027-03-03T02:15:00+00:00")
    assert len(world.dial()) == 1


def test_of_a_number_that_can_be_in_two_zones_both_must_be_open(world: World) -> None:
    world.processing(people([NEW_YORK, LOS_ANGELES]), calling_hours=HOURS)

    for time, expected in (("13:00", 0), ("15:59", 0), ("16:00", 1)):
        set_clock(world, f"2027-03-02T{time}:00+00:00")
        assert len(claimed_numbers(world)) == expected


@pytest.mark.parametrize("limit", [1, 3])
def test_who_sleeps_at_the_head_of_the_queue_does_not_keep_the_others_waiting(world: World, limit: int) -> None:
    world.processing(people(*[[NEW_YORK]] * 50, *[[KATHMANDU]] * 3), calling_hours=HOURS)

    assert claimed_numbers(world, limit) == NUMBERS[50 : 50 + limit]


def test_those_without_a_time_zone_are_skipped_at_creation_and_counted(world: World) -> None:
    answer = world.create_answer(people(None, [KATHMANDU]), calling_hours=HOURS)

    assert (answer["total_contacts"], answer["skipped"]) == (2, 1)
    contact, other = world.contacts(answer["batch_id"])
    assert (contact["status"], contact["reason"]) == ("skipped", "No time zone known; send `timezone`")
    assert other["status"] == "pending"
    (told,) = world.events(contact_id=contact["id"])
    assert (told["event"], told["reason"]) == ("skipped", contact["reason"])
    assert_sound(world.connection)


def test_those_whose_zones_are_never_open_at_once_are_skipped(world: World) -> None:
    work = HOURS | {"weekly": {"mon": [["09:00", "12:00"]]}}

    answer = world.create_answer(people([NEW_YORK, KATHMANDU], [NEW_YORK]), calling_hours=work)

    contact, other = world.contacts(answer["batch_id"])
    assert contact["reason"] == "Calling hours never come at the same time in America/New_York and Asia/Kathmandu"
    assert (contact["status"], other["status"], answer["skipped"]) == ("skipped", "pending", 1)


def test_holidays_alone_make_nobody_skipped(world: World) -> None:
    away = HOURS | {"holidays": [f"2027-03-{day:02}" for day in range(1, 15)]}
    batch_id = world.processing(people([KATHMANDU]), calling_hours=away)

    assert claimed_numbers(world) == []
    assert world.batch(batch_id)["queued"] == 1
    set_clock(world, "2027-03-10T12:00:30+00:00")
    assert claimed_numbers(world) == []
    set_clock(world, "2027-03-15T03:00:00+00:00")
    assert claimed_numbers(world) == [NUMBERS[0]]


def test_hours_that_are_left_out_are_eight_to_nine_everywhere(world: World) -> None:
    left_out = {"p_user_id": world.agency.owner, "p_batch": batch_without_hours(world)}

    batch_id = UUID(world.verb("create_call_batch", **left_out)["batch_id"])

    assert hours_of(world, batch_id) == HOURS


def test_hours_that_are_left_out_are_the_campaigns_where_it_has_some(world: World) -> None:
    given = batch_without_hours(world)
    evenings = HOURS | {"weekly": {"fri": [["18:00", "20:00"]]}}
    for of_campaign, of_batch, expected in (
        (evenings, {}, evenings),
        (evenings, {"calling_hours": HOURS}, HOURS),
        (evenings, {"calling_hours": None}, None),
        ("null", {}, None),
        ("null", {"calling_hours": HOURS}, HOURS),
    ):
        set_campaign_hours(world, of_campaign)
        answer = world.verb("create_call_batch", p_user_id=world.agency.owner, p_batch=given | of_batch)
        assert hours_of(world, UUID(answer["batch_id"])) == expected


def batch_without_hours(world: World) -> dict[str, Any]:
    return {
        "agent_mapping_id": world.agency.agent_mapping_id,
        "campaign_id": world.agency.campaign_id,
        "from_number": world.agency.from_number,
        "calls_per_minute": 30,
        "max_concurrent": 10,
        "contacts": people([NEW_YORK]),
    }


def set_campaign_hours(world: World, hours: object) -> None:
    value = Jsonb(None if hours == "null" else hours)
    world.connection.execute(
        "update public.campaigns set calling_hours = %s where id = %s", (value, world.agency.campaign_id)
    )


def test_hours_of_one_named_zone_ask_nobody_where_they_are(world: World) -> None:
    world.processing(people(None, [LOS_ANGELES]), calling_hours=HOURS | {"timezone": KATHMANDU})

    assert claimed_numbers(world) == NUMBERS[:2]


def test_a_zone_that_the_database_does_not_know_is_refused(world: World) -> None:
    with pytest.raises(Exception, match=r"calling_hours.timezone must be a time zone that the database knows"):
        world.create(1, calling_hours=HOURS | {"timezone": "America/Atlantis"})


def test_without_hours_no_zone_is_needed(world: World) -> None:
    world.processing(people(None, [LOS_ANGELES]))

    assert claimed_numbers(world) == NUMBERS[:2]


def test_a_contact_that_waits_for_hours_says_so_without_being_written(world: World) -> None:
    batch_id = world.processing(people([NEW_YORK], [KATHMANDU]), calling_hours=HOURS, max_concurrent=1)
    world.claim_answer()
    versions = "select phone_number, xmin::text from public.campaign_contacts where batch_id = %s"
    before = query(world.connection, versions, batch_id)
    for _ in range(5):
        world.claim_answer()

    assert query(world.connection, versions, batch_id) == before
    answer = world.ask(
        world.agency.member, "get_call_batch", p_batch_id=batch_id, p_contact_status="queued", p_contact_limit=5,
        p_contact_offset=0, p_contact_cursor=None,
    )  # fmt: skip
    (contact,) = answer["contacts"]
    assert (contact["reason"], contact["next_attempt_at"]) == ("Waits for calling hours", "2027-03-02T13:00:00Z")


def test_a_worker_may_rest_while_everybody_waits_for_hours(world: World) -> None:
    world.processing(people([NEW_YORK]), calling_hours=HOURS)

    answer = world.claim_answer()
    assert (answer["active"], answer["resting"]) == (True, True)

    set_clock(world, "2027-03-02T12:59:30+00:00")  # the next run would come too late
    assert world.claim_answer()["resting"] is False
    set_clock(world, "2027-03-02T13:00:00+00:00")
    call_id = world.dial()[0]
    assert world.claim_answer()["resting"] is False  # a call is live
    world.accept([call_id])
    set_clock(world, "2027-03-02T13:01:00+00:00")
    assert world.claim_answer()["resting"] is False


@pytest.mark.parametrize("beside", ["pending", "processing"])
def test_no_worker_rests_while_another_batch_has_something_to_do(world: World, beside: str) -> None:
    world.processing(people([NEW_YORK]), calling_hours=HOURS)
    world.claim_answer()

    other: Callable[..., UUID] = world.create if beside == "pending" else world.processing
    other(["+16465550123"], max_concurrent=1)

    assert world.claim_answer(limit=0)["resting"] is False
