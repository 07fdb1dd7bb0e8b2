"""`make up ARGS=--queue`: the schedule sends, a worker of each queue serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg.types.json import Jsonb

from local import aws
from local.demo_data import ACME
from local.queues import FANNED_OUT
from local.stack import Stack
from tests.factories import fictional_numbers
from tests.local.observed import eventually

if TYPE_CHECKING:
    from pathlib import Path

PEOPLE = {"ring_seconds": (0.02, 0.05), "talk_seconds": (0.05, 0.1), "no_answer_seconds": 0.1}


def test_a_stack_with_queues_dials_a_batch_to_its_end(tmp_path: Path) -> None:
    config = {"people": PEOPLE, "billed_after_seconds": 0.05}
    with (
        Stack(tmp_path, schedule_every=1, queue=True, durable=False, simulator_config=config) as stack,
        psycopg.connect(stack.database_url, autocommit=True) as db,
    ):
        assert {f"queue-{name}" for name in FANNED_OUT} < stack.parts.keys()
        batch = {
            "agent_mapping_id": ACME.agent_mapping_id,
            "campaign_id": ACME.campaign_id,
            "from_number": ACME.from_number,
            "calls_per_minute": 600,
            "max_concurrent": 20,
            "retry": {"max_attempts": 1},
            "contacts": [{"phone_number": number} for number in fictional_numbers(5)],
        }
        query = "select batchline.create_call_batch(u.id, %s) ->> 'batch_id' from public.users as u where email = %s"
        (batch_id,) = db.execute(query, [Jsonb(batch), "owner@acme.test"]).fetchone() or (None,)
        status = "select status from public.call_batches where id = %s"
        eventually(lambda: db.execute(status, [batch_id]).fetchone() == ("completed",))

    log = (tmp_path / "logs" / "schedule-calls-batch-process.log").read_text()
    assert '{"dispatched": 1}' in log


def test_each_queue_has_its_own_address() -> None:
    urls = {aws.queue_url("http://127.0.0.1:1", name) for name in FANNED_OUT}

    assert len(urls) == len(FANNED_OUT)
