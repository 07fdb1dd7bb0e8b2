"""One run: when it claims, when it leaves, what it answers and what it writes down."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from aws_lambda_powertools.utilities import parameters

from local.functions import Context, load
from local.processes import free_ports
from shared import dialer
from shared.errors import DatabaseError
from shared.reconcile import reconcile
from shared.settings import settings
from shared.ultravox import Ultravox
from tests.dialer.harness import doing, until
from tests.factories import fictional_numbers
from tests.servers import serving

if TYPE_CHECKING:
    from tests.dialer.conftest import Settings
    from tests.dialer.harness import World
    from tests.servers import Asked

NOTHING_TO_DO = {"processed": 0, "message": "No batches to process"}


def test_without_a_batch_a_run_leaves_at_once_and_says_so(world: World) -> None:
    began = time.monotonic()

    assert world.run(30) == NOTHING_TO_DO
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("milliseconds", [0, -5, -60_000, 39_999])
def test_without_time_for_a_whole_turn_nothing_is_claimed(world: World, milliseconds: int) -> None:
    batch = world.create(3)
    assert settings().turn_seconds == 40

    assert dialer.process(lambda: milliseconds, str(world.agency.id)) == NOTHING_TO_DO

    assert batch.status == "pending"
    assert batch.calls() == []


def test_a_run_that_the_database_never_answered_fails_and_does_not_say_that_there_is_nothing_to_do(
    world: World, change_settings: Settings
) -> None:
    (port,) = free_ports(1)
    change_settings(SUPABASE_REST_URL=f"http://127.0.0.1:{port}")

    with pytest.raises(DatabaseError, match="No claim"):
        dialer.process(lambda: 41_000, str(world.agency.id))


def test_a_run_keeps_back_what_its_slowest_turn_may_take(world: World, change_settings: Settings) -> None:
    change_settings(
        DIAL_CONNECTIONS="4",
        DIAL_BY_SECONDS="0.5",
        DIAL_TIMEOUT_SECONDS="3",
        CONNECT_TIMEOUT_SECONDS="0.5",
        WRITE_TIMEOUT_SECONDS="1",
    )
    world.simulator.add_fault("slow_201", delay_seconds=2)
    batch = world.create(20)
    began, now = time.monotonic(), world.value("select clock_timestamp()")

    world.run(1)

    assert time.monotonic() - began < 1 + settings().turn_seconds
    claimed = [(call["claimed_at"] - now).total_seconds() for call in batch.calls()]
    assert 0 < max(claimed) < 1.5


def test_a_run_stays_as_long_as_a_call_is_live_though_its_batch_is_paused(world: World) -> None:
    world.simulator.configure(people=doing("answered", talk_seconds=(600, 600)))
    batch = world.create(1)

    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(world.run)
        until(lambda: [call["status"] for call in batch.calls()] == ["answered"])
        batch.pause()
        some_time = time.monotonic() + 4 * dialer.LONGEST_WAIT_SECONDS
        until(lambda: time.monotonic() > some_time)
        assert not run.done()
        world.simulator.end_call(world.dialled()[0]["ultravox_call_id"])
        figures = run.result(20)

    assert figures["calls_initiated"] == 1
    assert batch.status == "completed"


def test_a_run_waits_for_a_batch_that_is_due_within_its_time(world: World) -> None:
    due = world.value("select public.iso_utc(clock_timestamp() + interval '0.8 s')")
    batch = world.create(3, scheduled_for=due)
    assert batch.status == "scheduled"

    world.run()

    row = batch.row()
    assert (row["status"], batch.counters()) == ("completed", {"completed": 3})
    assert 0 <= (row["started_at"] - row["scheduled_for"]).total_seconds() < 10  # the next run would be a minute later


def test_a_run_answers_with_what_it_did(world: World) -> None:
    refused, throttled, *others = fictional_numbers(6)
    world.simulator.add_fault("refuse", {"to": refused}, status=400, body={"medium": {"twilio": {"to": ["No."]}}})
    world.simulator.add_fault(
        "refuse", {"to": throttled, "times": 1}, status=429, body={"detail": "No."}, headers={"Retry-After": "0"}
    )
    world.create([refused, throttled, *others[:2]])
    world.create(others[2:])

    figures = world.run()

    assert figures.pop("turns") > 1
    assert figures == {
        "claims_failed": 0,
        "batches_processed": 2,
        "calls_initiated": 7,
        "calls_failed": 2,
        "calls_throttled": 1,
        "calls_unknown": 0,
    }


def test_the_function_runs_for_every_agency_within_its_own_time(world: World) -> None:
    batch = world.create(3)
    function = load()["calls-batch-process"]
    function = replace(function, timeout=settings().turn_seconds + 5)

    def completes() -> bool:  # what other tests have left may take a run's time
        return "calls_initiated" in function.resolve()({}, Context(function)) and batch.status == "completed"

    until(completes, 60)

    assert batch.counters() == {"completed": 3}


def test_one_dial_that_goes_wrong_in_a_new_way_takes_no_other_with_it(world: World, change_settings: Settings) -> None:
    odd, *others = fictional_numbers(4)

    def provider(asked: Asked) -> tuple[int, bytes]:
        if asked.method == "GET":
            return 500, b""
        if odd.encode() in asked.body:
            return 400, b"no hexadecimal digits"
        return 201, json.dumps({"callId": str(uuid4())}).encode()

    with serving(provider) as served:
        served.headers = {"Content-Type": "text/plain; charset=hex"}  # a codec that Python has, and that reads no text
        change_settings(ULTRAVOX_BASE_URL=served.url)
        batch = world.create([odd, *others])

        world.run_until(lambda: batch.calls() and not batch.counters().get("queued"))

    assert batch.call(odd)["status"] == "unknown"
    assert [batch.call(number)["status"] for number in others] == ["ringing"] * 3


def test_an_agents_id_reaches_no_other_address(world: World, change_settings: Settings) -> None:
    world.db.execute(
        "update public.agent_mappings set ultravox_agent_id = %s where id = %s",
        ["../accounts/me?x=\n#", world.agency.agent_mapping_id],
    )
    with serving(lambda _: (404, b"{}")) as served:
        change_settings(ULTRAVOX_BASE_URL=served.url)
        batch = world.create(1)

        world.run()

    addresses = {asked.path for asked in served.asked if "agents" in asked.path}
    assert addresses == {
        "/api/agents/..%2Faccounts%2Fme%3Fx%3D%0A%23/calls",
        "/api/agents/..%2Faccounts%2Fme%3Fx%3D%0A%23",
    }
    assert batch.status == "failed"


@pytest.mark.usefixtures("_short")
def test_while_secrets_cannot_be_read_nobody_is_asked_about_and_nobody_given_up(
    world: World, change_settings: Settings
) -> None:
    world.simulator.add_fault("drop_before_accept", {"times": 1})
    batch = world.create(1)
    world.run_until(lambda: [call["status"] for call in batch.calls()] == ["unknown"])
    call = batch.call()
    until(lambda: world.value("select clock_timestamp() - %s > interval '1.7 s'", call["unknown_at"]))
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"http://127.0.0.1:{server.getsockname()[1]}"
    change_settings(AWS_ENDPOINT_URL=nobody, AWS_MAX_ATTEMPTS="1")
    parameters.clear_caches()

    asyncio.run(one_round(world))

    parameters.clear_caches()  # the next test's client finds its way again
    asked = batch.call()
    assert (asked["status"], asked["none_at"]) == ("unknown", None)
    assert asked["asked_at"] is not None


async def one_round(world: World) -> None:
    async with Ultravox() as ultravox:
        await reconcile(ultravox, str(world.agency.id))


def test_a_runs_log_shows_no_number_and_no_secret(world: World, change_settings: Settings) -> None:
    change_settings(LOG_LEVEL="DEBUG")
    numbers = fictional_numbers(12)
    refusals: list[tuple[str, dict[str, Any]]] = [
        ("refuse", {"status": 400, "body": {"medium": {"twilio": {"outgoing": {"to": [f"No {numbers[0]}"]}}}}}),
        ("refuse", {"status": 400, "body": {"detail": f"No {numbers[1]}"}}),
        ("refuse", {"status": 429, "body": {"detail": "No."}, "headers": {"Retry-After": "0"}}),
        ("accept_then_drop", {}),
        ("malformed_body", {}),
    ]
    for number, (action, members) in zip(numbers, refusals, strict=False):
        world.simulator.add_fault(action, {"to": number, "times": 1}, **members)
    world.simulator.add_fault("lookup_outage", {"path": "account"}, status=200, body="hello")
    world.create(numbers)

    with world.worker(3) as worker:
        written = "\n".join(worker.output())

    assert "Could not read the provider's account" in written
    assert "calls_initiated" in written
    secrets = [world.key, f"secret-{world.agency.id}", settings().supabase_service_role_key.get_secret_value()]
    for secret in [*numbers, *(number[1:] for number in numbers), *secrets]:
        assert secret not in written
