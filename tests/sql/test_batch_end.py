"""`ends_at`: nobody is called at or after it, who is left is skipped, and the batch completes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.sql.checks import assert_sound
from tests.sql.world import World, refusal

if TYPE_CHECKING:
    from uuid import UUID


def ending(world: World, contacts: int = 3, seconds: float = 60, **batch: Any) -> UUID:
    return world.create(contacts, ends_at=world.time(seconds), **batch)


def left(world: World, batch_id: UUID) -> list[tuple[str, str]]:
    return [(contact["status"], contact["reason"]) for contact in world.contacts(batch_id)]


def test_who_is_left_at_the_end_is_skipped_with_the_rule_and_the_batch_completes(world: World) -> None:
    batch_id = ending(world)
    world.start()
    world.move_clock(60.1)

    assert world.claim() == []

    assert left(world, batch_id) == [("skipped", "Batch ended")] * 3
    events = world.events(batch_id=batch_id, event="skipped")
    assert [event["detail"] for event in events] == [{"rule": "ends_at"}] * 3
    batch = world.batch(batch_id)
    assert (batch["status"], batch["skipped"], batch["error_message"]) == ("completed", 3, None)
    assert_sound(world.connection)


def test_before_its_end_a_batch_is_dialled_and_the_claim_says_when_to_come_again(world: World) -> None:
    batch_id = ending(world, 1)

    answer = world.claim_answer()

    assert len(answer["calls"]) == 1
    assert 55 < answer["next_claim_in"] <= 60
    world.begin(world.claim())
    assert world.batch(batch_id)["status"] == "processing"


def test_no_call_begins_at_or_after_the_end(world: World) -> None:
    batch_id = ending(world, 1)
    claimed = world.claim(lease=600)
    world.move_clock(60.1)

    assert world.begin(claimed) == []

    assert world.call(claimed[0])["reason"] == "Not begun: the batch has ended"
    contact = world.contact_of(claimed[0])
    assert (contact["status"], contact["reason"], contact["attempts"]) == ("skipped", "Batch ended", 0)
    assert world.events(contact_id=contact["id"], event="skipped")[0]["detail"] == {"rule": "ends_at"}
    assert world.batch(batch_id)["status"] == "completed"


def test_a_claimed_call_is_released_at_the_end(world: World) -> None:
    batch_id = ending(world, 1)
    world.claim(lease=600)
    world.move_clock(60.1)

    world.start()

    assert left(world, batch_id) == [("skipped", "Batch ended")]
    assert world.batch(batch_id)["status"] == "completed"
    assert_sound(world.connection)


@pytest.mark.parametrize("talk_seconds", [None, 20])
def test_calls_that_go_on_end_by_themselves_and_are_not_repeated(world: World, talk_seconds: float | None) -> None:
    batch_id = ending(world, 2)
    world.start()
    call_id = world.ringing()
    world.move_clock(60.1)

    world.start()
    batch = world.batch(batch_id)
    assert (batch["status"], batch["in_progress"], batch["skipped"]) == ("processing", 1, 1)
    before = world.snapshot()
    world.start()
    assert world.snapshot() == before

    world.finish(call_id, talk_seconds=talk_seconds)
    contact = world.contact_of(call_id)
    assert contact["status"] == ("completed" if talk_seconds else "skipped")
    assert contact["outcome"] == ("answered" if talk_seconds else "no_answer")
    assert world.batch(batch_id)["status"] == "completed"
    assert_sound(world.connection)


@pytest.mark.parametrize("started", [True, False])
def test_a_paused_batch_ends_too_and_wakes_the_processor_for_it(world: World, started: bool) -> None:
    start_in = None if started else world.time(30)
    batch_id = ending(world, scheduled_for=start_in)
    world.start() if started else None
    world.pause(batch_id)
    assert world.claim_answer()["active"] is False
    world.move_clock(60.1)

    assert world.claim_answer()["active"] is True

    assert world.batch(batch_id)["status"] == "completed"
    assert left(world, batch_id) == [("skipped", "Batch ended")] * 3
    assert world.claim_answer()["active"] is False


def test_a_draft_whose_time_is_over_stays_a_draft_and_cannot_be_executed(world: World) -> None:
    batch_id = ending(world, status="draft")
    world.move_clock(60.1)
    world.start()

    with pytest.raises(psycopg.Error, match="The time of the batch is over") as error:
        world.execute(batch_id)

    assert refusal(error.value) == ("400", "batch_ended")
    assert world.batch(batch_id)["status"] == "draft"


def test_a_paused_batch_cannot_be_resumed_after_its_end(world: World) -> None:
    batch_id = ending(world)
    world.start()
    world.pause(batch_id)
    world.move_clock(60.1)

    with pytest.raises(psycopg.Error) as error:
        world.resume(batch_id)

    assert refusal(error.value) == ("400", "batch_ended")
    assert world.batch(batch_id)["status"] == "paused"


@pytest.mark.parametrize("start_in", [None, 3600])
def test_an_end_that_does_not_lie_after_the_start_is_refused(world: World, start_in: float | None) -> None:
    start_at = world.time(start_in) if start_in else None

    with pytest.raises(psycopg.Error, match="ends_at must lie after the start") as error:
        world.create(1, scheduled_for=start_at, ends_at=start_at or world.time(-1))

    assert refusal(error.value) == ("400", "bad_request")
    assert world.all("call_batches") == []


@pytest.mark.parametrize("verb", ["update_batch_call", "execute_batch_call"])
def test_a_program_cannot_start_a_batch_at_or_after_its_end_either(world: World, verb: str) -> None:
    batch_id = ending(world, status="draft")
    secret = {"p_secret_hash": "ab" * 32}
    key = world.verb("create_api_key", p_user_id=world.agency.owner, p_name="CRM", p_seed="seed", **secret)
    changes = {"p_changes": {"status": "scheduled", "scheduled_for": world.time(120)}}
    world.move_clock(60.1)

    more = changes if verb == "update_batch_call" else {}
    with pytest.raises(psycopg.Error) as error:
        world.verb(verb, p_api_key=key["api_key"], p_batch_id=batch_id, **secret, **more)

    assert refusal(error.value) == ("400", "batch_ended")
    assert world.batch(batch_id)["status"] == "draft"
