"""The simple way, to compare with: one pass a minute over the batches, as a scheduled function without a loop does it.

It has it easy: its queue is in memory, and how many of its calls are live it is told by the provider's own oracle.
"""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING

import httpx

from benchmarks.orders import agents_path, headers, order
from local.simulator.client import Simulator
from shared.dials import call_request
from shared.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.ground import Account
    from benchmarks.trials import Trial

MINUTE_SECONDS = 60


def run(simulator_url: str, trial: Trial, passes: int) -> None:
    """Dials one agency's batches for so many minutes."""
    queues = [(batch, iter(batch.numbers)) for batch in trial.batches]
    started = time.monotonic()
    with httpx.Client(base_url=simulator_url, timeout=30) as client, Simulator(simulator_url) as oracle:
        for minute in range(passes):
            time.sleep(max(0.0, started + minute * MINUTE_SECONDS - time.monotonic()))
            for batch, queue in queues:
                live = oracle.stats(batch_id=batch.id)["live"]
                room = min(batch.limits.calls_per_minute, batch.limits.max_concurrent - live)
                _dial(client, trial.account, batch.id, islice(queue, max(0, room)))


def _dial(client: httpx.Client, account: Account, batch_id: str, numbers: Iterator[str]) -> None:
    for number in numbers:
        body = call_request(order(number, account.agent_id, batch_id), None, settings())
        answer = client.post(agents_path(account.agent_id), json=body, headers=headers(account.key))
        assert answer.status_code == httpx.codes.CREATED, answer.text
