"""The outbox: what changes and the notice of it are one transaction, whichever verb it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.factories import forbid_number
from tests.sql.telling import ALL, listen
from tests.sql.world import World, refusal

if TYPE_CHECKING:
    from uuid import UUID

    from tests.factories import Connection
    from tests.sql.world import Json

OF_BATCHES = ALL[:-1]


def noted(world: World) -> list[str]:
    return [row["event"] for row in sorted(world.all("notices"), key=lambda row: row["seq"])]


def claim(world: World, worker: str = "worker", length: int = 20) -> dict[str, list[str]]:
    """The ids of the claimed notices by batch."""
    answer = world.verb("claim_notices", p_worker=worker, p_batches=50, p_length=length, p_lease_seconds=60.0)
    return {line["batch_id"]: [one["id"] for one in line["notices"]] for line in answer["batches"]}


def record(
    world: World, batch_id: UUID, *results: Json, worker: str = "worker", url: str = "https://crm.example/hooks"
) -> Json:
    whole = [{"answer": 200, "error": None, "delivered": True, "retry_after_seconds": 0, **one} for one in results]
    params: Json = {"p_worker": worker, "p_batch_id": batch_id, "p_url": url, "p_results": whole}
    return world.verb("record_notices", **params)


FAILED = {"delivered": False, "answer": 500, "error": "The endpoint answered 500"}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("draft", []),
        ("scheduled", []),
        ("pending", []),
        ("processing", ["batch.started"]),
        ("paused", ["batch.started", "batch.paused"]),
        ("cancelled", ["batch.started", "batch.cancelled", *["contact.finished"] * 3]),
        ("failed", ["batch.started", "batch.failed", "contact.finished"]),
        ("completed", ["batch.started", "contact.finished", "batch.completed"]),
    ],
)
def test_each_change_of_state_has_its_notice_and_nothing_else_has(
    world: World, status: str, expected: list[str]
) -> None:
    listen(world)

    world.batch_in(status)

    assert noted(world) == expected


def test_a_batch_that_is_resumed_is_not_told_of_as_started_again(world: World) -> None:
    listen(world)
    batch_id = world.batch_in("paused")

    world.resume(batch_id)

    assert noted(world) == ["batch.started", "batch.paused"]


def test_a_batch_paused_before_its_time_is_told_of_as_started_when_it_starts(world: World) -> None:
    listen(world)
    batch_id = world.batch_in("scheduled")
    world.pause(batch_id)
    world.move_clock(7200)

    world.resume(batch_id)

    assert noted(world) == ["batch.paused", "batch.started"]


def test_a_contact_that_is_called_again_is_told_of_when_it_is_done_with(world: World) -> None:
    listen(world, ["contact.finished"])
    batch_id = world.processing(retry={"max_attempts": 2, "delay_minutes": 0})
    world.finish(world.ringing())
    assert noted(world) == []

    world.finish(world.ringing())

    assert noted(world) == ["contact.finished"]
    (data,) = (row["data"] for row in world.all("notices"))
    assert (data["status"], data["outcome"], data["attempts"]) == ("failed", "no_answer", 2)
    assert world.batch(batch_id)["status"] == "completed"


def test_who_is_skipped_when_a_list_is_taken_in_is_told_of_once_in_the_lists_order(world: World) -> None:
    listen(world)
    forbidden, nowhere, fine, later, another = world.numbers(5)
    forbid_number(world.connection, world.agency.id, forbidden)
    forbid_number(world.connection, world.agency.id, later)
    without_zone = {"phone_number": nowhere, "time_zones": None}
    hours = {"timezone": "recipient", "weekly": {"mon": [["08:00", "21:00"]]}}

    batch_id = world.create(
        [forbidden, without_zone, {"phone_number": fine, "time_zones": ["America/New_York"]}], calling_hours=hours
    )
    world.append(batch_id, [another, later])
    world.start()
    world.cancel(batch_id)

    told = sorted((row for row in world.all("notices") if row["contact_id"]), key=lambda row: row["seq"])
    listed = world.contacts(batch_id)
    numbers = {row["id"]: row["phone_number"] for row in listed}
    assert [numbers[row["contact_id"]] for row in told] == [forbidden, nowhere, another, later, fine]
    assert {(row["data"]["status"], row["data"]["attempts"]) for row in told} == {("skipped", 0)}
    assert [row["completed_at"] is not None for row in listed] == [True] * 5
    assert [one for one in noted(world) if one.startswith("batch")] == ["batch.started", "batch.cancelled"]


def test_a_list_taken_in_is_told_of_only_to_who_asked_for_it(world: World, connection: Connection) -> None:
    listen(world, OF_BATCHES)
    other = World(connection)
    listen(other)
    for one in (world, other):
        numbers = one.numbers(2)
        one.forbid(numbers)
        one.create(numbers)

    assert (noted(world), noted(other)) == ([], ["contact.finished"] * 2)


def test_what_is_rolled_back_is_told_to_nobody(world: World) -> None:
    listen(world)
    batch_id = world.batch_in("processing")

    with world.connection.transaction(force_rollback=True):
        world.cancel(batch_id)
        assert len(noted(world)) == 5

    assert noted(world) == ["batch.started"]


def test_only_what_was_asked_for_is_noted_and_only_for_who_asked(world: World, connection: Connection) -> None:
    listen(world, ["batch.paused"])
    other = World(connection)

    for one in (world, other):
        one.cancel(one.batch_in("paused"))

    assert noted(world) == ["batch.paused"]
    assert noted(other) == []


def test_an_endpoint_that_is_switched_off_is_told_nothing_and_what_waits_is_given_up(world: World) -> None:
    listen(world)
    batch_id = world.batch_in("processing")

    listen(world, p_active=False)
    world.cancel(batch_id)

    (row,) = world.all("notices")
    assert (row["status"], row["last_error"]) == ("failed", "Switched off by a user")


def test_a_secret_stays_until_it_is_rotated(world: World) -> None:
    assert listen(world)["secret_seed"] == "seed"
    assert listen(world, p_seed="another")["secret_seed"] == "seed"
    assert listen(world, p_seed="another")["previous_secret_until"] is None

    rotated = listen(world, p_seed="another", p_rotate=True)

    assert rotated["secret_seed"] == "another"
    assert rotated["previous_secret_until"] is not None


def test_notices_of_a_batch_are_claimed_from_the_first_on_and_by_one_worker(world: World) -> None:
    listen(world)
    batch_id = world.batch_in("cancelled")
    ids = [row["id"] for row in sorted(world.all("notices"), key=lambda row: row["seq"])]

    assert claim(world, "one", length=2) == {str(batch_id): ids[:2]}
    assert claim(world, "other") == {}
    world.move_clock(61)
    assert claim(world, "other", length=3) == {str(batch_id): ids[:3]}
    assert record(world, batch_id, {"id": ids[0]}, worker="one") == {"delivered": 0, "failed": 0, "waiting": 0}
    assert record(world, batch_id, {"id": ids[0]}, worker="other") == {"delivered": 1, "failed": 0, "waiting": 0}
    assert claim(world, "one", length=1) == {str(batch_id): ids[1:2]}  # what was not reached has been given back


def test_a_later_notice_waits_until_the_first_is_delivered_or_given_up(world: World) -> None:
    listen(world, OF_BATCHES)
    batch_id = world.batch_in("paused")
    first, second = (row["id"] for row in sorted(world.all("notices"), key=lambda row: row["seq"]))

    for _ in range(9):
        assert claim(world) == {str(batch_id): [first, second]}
        assert record(world, batch_id, {"id": first, **FAILED})["waiting"] == 1
        assert claim(world) == {}
        world.move_clock(27 * 3600)
    claim(world)

    assert record(world, batch_id, {"id": first, **FAILED})["failed"] == 1
    assert claim(world) == {str(batch_id): [second]}


def test_410_of_an_url_that_was_replaced_meanwhile_switches_nothing_off(world: World) -> None:
    listen(world)
    batch_id = world.batch_in("processing")
    ((notice_id,),) = claim(world).values()
    listen(world, p_url="https://crm.example/new")

    record(world, batch_id, {"id": notice_id, **FAILED, "answer": 410})

    assert world.verb("replay_notices", p_user_id=world.agency.owner, p_notice_id=notice_id, p_batch_id=batch_id) == {
        "replayed": 0
    }  # the endpoint is active, and the notice waits


def test_notices_that_are_final_are_forgotten_after_thirty_days(world: World) -> None:
    listen(world)
    batch_id = world.batch_in("processing")
    ((notice_id,),) = claim(world).values()
    record(world, batch_id, {"id": notice_id})

    world.move_clock(29 * 86_400)
    claim(world)
    assert len(world.all("notices")) == 1
    world.move_clock(2 * 86_400)
    claim(world)
    assert world.all("notices") == []


def test_without_an_active_endpoint_nothing_is_replayed(world: World) -> None:
    batch_id = world.batch_in("processing")

    with pytest.raises(psycopg.Error) as error:
        world.verb("replay_notices", p_user_id=world.agency.owner, p_notice_id=None, p_batch_id=batch_id)

    assert refusal(error.value) == ("400", "no_notice_endpoint")


def test_another_agencys_notice_reads_as_one_that_does_not_exist(world: World, connection: Connection) -> None:
    listen(world)
    other = World(connection)
    listen(other)
    batch_id = world.batch_in("processing")
    other.batch_in("processing")
    (theirs,) = other.all("notices")

    with pytest.raises(psycopg.Error) as error:
        world.verb("replay_notices", p_user_id=world.agency.owner, p_notice_id=theirs["id"], p_batch_id=batch_id)

    assert refusal(error.value) == ("404", "notice_not_found")
