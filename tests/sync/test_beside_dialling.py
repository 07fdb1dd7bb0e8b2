"""An import while a batch dials: no call of ours becomes a stranger's, and the batch is unharmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dialer.harness import doing, until
from tests.factories import fictional_numbers
from tests.sql.checks import assert_sound

if TYPE_CHECKING:
    from tests.dialer.harness import Batch
    from tests.sync.harness import Past

SETTLED = """
select call_id, count(*) from public.call_events
where agency_id = %s and event = 'ended' group by call_id having count(*) > 1
"""


def assert_unharmed(past: Past, batch: Batch, strangers: int) -> None:
    """Only the past is stored as calls of strangers, and of the batch nobody was called or settled twice."""
    assert len(past.imported()) == strangers
    stats = batch.stats()
    assert (stats["double_dials"], stats["most_calls_per_contact"]) == (0, 1)
    assert past.world.rows(SETTLED, past.world.agency.id) == []
    assert batch.events("late_acceptance") == []
    assert_sound(past.world.db)


def test_calls_of_which_we_know_nothing_are_recognised(past: Past) -> None:
    world = past.world
    world.simulator.configure(webhooks={"enabled": False})
    world.simulator.add_fault("accept_then_drop", {"account": world.account})
    batch = world.create(8)
    with world.worker(4) as dialling:
        until(lambda: len(batch.calls()) == 8 and {call["status"] for call in batch.calls()} == {"unknown"})
        until(lambda: all(call["ended"] for call in past.known().values()))
        past.whole()
        dialling.result()

    assert past.counters() == (43, 35, 8, 0, 0)
    assert (batch.status, batch.counters()) == ("completed", {"completed": 8})
    assert_unharmed(past, batch, 35)


def test_calls_that_are_being_dialled_are_recognised_before_their_own_answer(past: Past) -> None:
    world = past.world
    world.simulator.configure(webhooks={"enabled": False})
    # Accepted at once, answered late: meanwhile they are dialing, and on the provider's list.
    world.simulator.add_fault("slow_201", {"account": world.account}, delay_seconds=4)
    batch = world.create(5)
    with world.worker(3) as dialling:
        until(lambda: world.stats()["accepted"] == 5)
        until(lambda: all(call["ended"] for call in past.known().values()))
        assert {call["status"] for call in batch.calls()} == {"dialing"}
        past.whole()
        assert {call["status"] for call in batch.calls()} == {"ended"}
        dialling.result()

    assert past.counters() == (40, 35, 5, 0, 0)
    assert batch.counters() == {"completed": 5}
    assert_unharmed(past, batch, 35)


def test_imports_one_after_the_other_while_a_batch_dials(past: Past) -> None:
    world = past.world
    world.simulator.configure(
        people=doing("answered", talk_seconds=(0.05, 0.4)), webhooks={"lose_rate": 0.3, "duplicate_rate": 0.3}
    )
    # Of 10 in a row never more than 3: the circuit breaker stays closed.
    world.simulator.add_fault("accept_then_drop", {"account": world.account, "rate": 0.15})
    world.simulator.add_fault("slow_201", {"account": world.account, "rate": 0.3}, delay_seconds=0.4)
    batch = world.create(fictional_numbers(60), calls_per_minute=1800, max_concurrent=40)

    def is_completed_after_an_import() -> bool:
        past.whole()
        past.assert_counted()
        assert_sound(world.db)
        return batch.status == "completed"

    with world.worker(60) as dialling:
        until(lambda: batch.status == "processing")
        until(is_completed_after_an_import, 60)
        dialling.result()

    assert (batch.status, batch.counters()) == ("completed", {"completed": 60})
    assert batch.stats()["accepted"] == 60
    assert_unharmed(past, batch, 35)


@pytest.mark.parametrize("word", ["started", "ended"])
def test_what_a_webhook_said_first_is_not_overwritten(past: Past, word: str) -> None:
    world = past.world
    if word == "started":
        world.simulator.configure(people={"ring_seconds": (3600, 3600)})
    batch = world.create(1)
    with world.worker(1) as dialling:
        until(lambda: batch.calls() and batch.call()["status"] in ("ringing", "ended"))
        if word == "ended":
            until(lambda: batch.call()["billing_status"] == "BILLING_STATUS_BILLED")
        dialling.result() if word == "ended" else None
    before = batch.call()

    past.whole()

    after = batch.call()
    quiet = {"news_at", "raw", "billing_status"}
    assert {name: value for name, value in after.items() if name not in quiet} == {
        name: value for name, value in before.items() if name not in quiet
    }
    assert_unharmed(past, batch, 35)
