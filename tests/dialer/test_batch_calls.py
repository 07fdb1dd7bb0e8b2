"""Batches that programs create, from request to provider: a draft is never dialled, a scheduled one never early."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest

from tests.dialer.harness import Batch, until
from tests.factories import batch_call_body, fictional_numbers, make_api_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.stack import Stack
    from tests.dialer.harness import World

    Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(world: World, stack: Stack) -> Ask:
    """Sends a request with the agency's key over HTTP and answers its data."""
    headers = make_api_key(world.db, world.agency).headers

    def ask(method: str, path: str, body: object = None) -> dict[str, Any]:
        answer = httpx.request(method, f"{stack.url}/batch-call{path}", headers=headers, json=body, timeout=10)
        assert answer.status_code < 300, answer.text
        return answer.json()["data"]

    return ask


def batch_of(world: World, data: dict[str, Any]) -> Batch:
    """The batch, whose hours are open whenever the tests run."""
    batch = Batch(world, str(UUID(data["batch_call_id"].removeprefix("batch_call_"))))
    world.db.execute("update public.call_batches set calling_hours = null where id = %s", [batch.id])
    world.db.execute("update public.campaign_contacts set time_zones = '{}' where batch_id = %s", [batch.id])
    return batch


def test_a_draft_stays_undialled_through_ten_runs_and_is_dialled_once_it_is_executed(world: World, ask: Ask) -> None:
    world.db.execute("update public.agencies set default_calls_per_minute = 6000 where id = %s", [world.agency.id])
    tasks = [{"to_number": number, "dynamic_variables": {"first_name": "John"}} for number in fictional_numbers(3)]
    data = ask("POST", "", batch_call_body(world.agency, tasks, status="draft", trigger_timestamp=1735718400000))
    batch = batch_of(world, data)

    for _ in range(10):
        world.run(0.1)
    assert (batch.status, batch.stats()["accepted"], batch.calls()) == ("draft", 0, [])

    assert ask("POST", f"/{data['batch_call_id']}/execute")["status"] == "sent"
    world.run()

    stats = batch.stats()
    assert (stats["accepted"], stats["double_dials"], stats["most_calls_per_contact"]) == (3, 0, 1)
    shown = ask("GET", f"/{data['batch_call_id']}")
    assert [shown[name] for name in ("status", "sent", "picked_up", "completed")] == ["completed", 3, 3, 3]
    tasks = ask("GET", f"/{data['batch_call_id']}/tasks")["tasks"]
    assert {task["status"] for task in tasks} == {"COMPLETED"}
    assert {task["call_id"] for task in tasks} == {str(call["id"]) for call in batch.calls()}


def test_a_scheduled_one_starts_on_time_and_never_early(world: World, ask: Ask) -> None:
    trigger = round(world.value("select extract(epoch from clock_timestamp()) * 1000") + 2500)
    data = ask("POST", "", batch_call_body(world.agency, 1, status="scheduled", trigger_timestamp=trigger))
    batch = batch_of(world, data)
    assert (data["status"], data["scheduled_timestamp"]) == ("scheduled", trigger)

    with world.worker(20) as worker:
        until(lambda: batch.status == "completed")
        worker.output()

    (call,) = batch.calls()
    late_ms = call["began_at"].timestamp() * 1000 - trigger
    assert 0 <= late_ms < 5000
    assert batch.stats()["accepted"] == 1
