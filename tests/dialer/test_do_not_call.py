"""A number is put on the do-not-call list, by HTTP, while processors in processes of their own are dialling."""

from __future__ import annotations

import hmac
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest
from pydantic_core import to_json

from local import keys
from tests.calling import claims
from tests.dialer.harness import doing, until
from tests.factories import fictional_numbers
from tests.sql.checks import assert_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local.stack import Stack
    from tests.dialer.harness import Row, World

    Post = Callable[[str, Mapping[str, object]], Row]


@pytest.fixture
def post(stack: Stack, world: World) -> Post:
    """Asks the running stack, as the agency's owner; the provider's signature is there for who reads that."""
    token = keys.load_or_make(stack.folder / "keys.json").sign(claims(world.agency.owner, f"{stack.url}/auth/v1"))

    def post(path: str, body: Mapping[str, object]) -> Row:
        raw, timestamp = to_json(body), datetime.now(UTC).isoformat()
        secret = f"secret-{world.agency.id}".encode()
        headers = {
            "Authorization": f"Bearer {token}",
            "X-Ultravox-Webhook-Timestamp": timestamp,
            "X-Ultravox-Webhook-Signature": hmac.new(secret, raw + timestamp.encode(), "sha256").hexdigest(),
        }
        url = f"{stack.env['FUNCTIONS_URL']}/{path}"
        return httpx.post(url, content=raw, headers=headers, timeout=30).raise_for_status().json()

    return post


def test_a_number_is_not_begun_once_it_was_put_on_the_list_while_eight_processors_dial(
    world: World, post: Post
) -> None:
    world.simulator.configure(people=doing("no_answer", no_answer_seconds=0.6))
    numbers = fictional_numbers(300)
    again_and_again = {"max_attempts": 11, "delay_minutes": 0.002, "growth": 1}
    batch = world.create(numbers, max_concurrent=16, retry=again_and_again)
    forbidden = set(numbers[::2])

    with ExitStack() as stack:
        workers = [stack.enter_context(world.worker()) for _ in range(8)]
        until(lambda: len({call["claimed_by"] for call in batch.calls()}) == 8, 90)
        answer = post("do-not-call-add", {"phone_numbers": sorted(forbidden), "reason": "A letter"})
        answered_at = world.value("select clock_timestamp()")
        accepted = batch.stats()["accepted"]
        until(lambda: batch.stats()["accepted"] >= accepted + 20)
        batch.cancel()
        figures = [worker.result() for worker in workers]

    begun = [call for call in batch.calls() if call["began_at"] and call["to_number"] in forbidden]
    assert all(call["began_at"] < answered_at for call in begun)
    at_the_provider = {call["call_id"] for call in world.dialled() if call["to"] in forbidden}
    assert at_the_provider <= {str(call["id"]) for call in begun}

    assert (answer["added"], answer["already_listed"]) == (150, 0)
    assert answer["contacts_skipped"] > 0
    contacts = [batch.contact(number) for number in sorted(forbidden)]
    assert {(contact["status"], contact["reason"]) for contact in contacts} == {("skipped", "On the do-not-call list")}
    by_the_owner = [event for event in batch.events("skipped") if event["actor"] == world.agency.owner]
    assert [event["detail"] for event in by_the_owner] == [{"rule": "do_not_call"}] * answer["contacts_skipped"]
    assert batch.stats()["double_dials"] == 0
    assert sum(figure["calls_initiated"] for figure in figures) == batch.stats()["accepted"]
    assert_sound(world.db)


def test_who_opts_out_during_a_call_is_never_called_again(world: World, post: Post) -> None:
    world.simulator.configure(people=doing("answered", talk_seconds=(2, 2)))
    (number,) = fictional_numbers(1)
    first = world.create([number])

    with world.worker() as worker:
        until(lambda: [call["status"] for call in first.calls()] == ["answered"])
        second = world.create([number])
        until(lambda: second.status == "processing")  # and its contact waits for the end of the call
        call = first.call()
        answer = post(f"call-opt-out/{world.agency.id}", {"call_id": call["ultravox_call_id"]})
        assert first.call()["status"] == "answered"
        third = world.create([number])
        worker.result()

    assert answer["message"] == "Your number is on our do-not-call list now. We will not call you again."
    assert world.stats()["accepted"] == 1
    assert [batch.status for batch in (first, second, third)] == ["completed"] * 3
    assert (first.counters(), second.counters(), third.counters()) == ({"completed": 1}, {"skipped": 1}, {"skipped": 1})
    (event,) = second.events("skipped")
    assert event["detail"] == {"rule": "do_not_call", "asked_in_call": str(call["id"])}
    listed = world.one("select * from public.do_not_call where agency_id = %s", world.agency.id)
    assert (listed["phone_number"], listed["call_id"], listed["added_by"]) == (number, call["id"], None)
