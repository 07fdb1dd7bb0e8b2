"""One run of process-notices: the agencies' notices go out, each at least once and those of a batch in their order.

A batch's next notices are claimed with a lease, sent one after the other and recorded together (record_notices). A run
may die at any line: what it had sent and not recorded is sent again, with the same webhook-id.
"""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict

from pydantic_core import to_json
from standardwebhooks.webhooks import Webhook

from shared import crash_points, database, notices
from shared.clock import boottime
from shared.errors import DatabaseError
from shared.receivers import Delivery, Receiver, trusted
from shared.settings import settings
from shared.telemetry import count, logger

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Mapping

BATCHES_AT_ONCE = 50
NOTICES_OF_A_BATCH = 20
MOMENT = 1.0  # seconds
WRITES_KEPT_BACK = 4  # the last records, with a repetition
KEY_CHANGED = "The key under which the endpoint's secret was made has changed: set the endpoint with rotate_secret"


class Waiting(TypedDict):
    """A notice to send: its id and what it says."""

    id: str
    body: dict[str, Any]


class Line(TypedDict):
    """The next notices of one batch, in their order, and where they go."""

    batch_id: str
    agency_id: str
    url: str
    seed: str
    secret_hash: str
    previous_seed: str | None
    notices: list[Waiting]


class Claimed(TypedDict):
    """What claim_notices answers; `next_in` is in seconds, null where nothing else waits."""

    batches: list[Line]
    next_in: float | None


def process(remaining_ms: Callable[[], int]) -> dict[str, object]:
    """Send until none is due or the time is nearly used: `{delivered, failed, waiting}`, counted in attempts.

    `remaining_ms` is the run's remaining time in milliseconds. `failed` were given up, `waiting` will be tried again.
    Raises DatabaseError when the notices could not be asked for.
    """
    totals = asyncio.run(_run(remaining_ms))
    if not totals:
        return {"processed": 0, "message": "No notices to send"}
    counted = {name: totals[name] for name in ("delivered", "failed", "waiting")}
    count("process-notices", **{f"notices_{name}": number for name, number in counted.items()})
    return dict(counted)


async def _run(remaining_ms: Callable[[], int]) -> Counter[str]:
    timers = settings()
    worker = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    deadline = boottime() + remaining_ms() / 1000 - WRITES_KEPT_BACK * timers.write_timeout_seconds
    totals: Counter[str] = Counter()
    tls = trusted()
    at_work: set[asyncio.Task[Mapping[str, int]]] = set()
    while True:
        # What is slow keeps nobody waiting: whenever one batch is done, or a moment has passed, the next are claimed.
        free = BATCHES_AT_ONCE - len(at_work)
        claimed = Claimed(batches=[], next_in=None)
        if free and (begun := boottime()) + timers.notice_timeout_seconds < deadline:
            claimed = await _claim(worker, free)
            until = min(deadline, begun + timers.notice_lease_seconds - 2 * timers.write_timeout_seconds)
            lines = (Delivering(line, worker, tls, until) for line in claimed["batches"])
            at_work |= {asyncio.create_task(line.run()) for line in lines}
        if at_work:
            done, at_work = await asyncio.wait(at_work, timeout=MOMENT, return_when=asyncio.FIRST_COMPLETED)
            for line in done:
                totals.update(line.result())
        elif not await _waited(claimed["next_in"], deadline - timers.notice_timeout_seconds):
            return totals


async def _claim(worker: str, batches: int) -> Claimed:
    params = {
        "p_worker": worker,
        "p_batches": batches,
        "p_length": NOTICES_OF_A_BATCH,
        "p_lease_seconds": settings().notice_lease_seconds,
    }
    claimed: Claimed = await asyncio.to_thread(database.rpc, "claim_notices", params, repeatable=False)
    crash_points.reach("notice_claimed")
    return claimed


async def _waited(seconds: float | None, until: float) -> bool:
    """Wait for the next notice that is due, where that is within this run."""
    if seconds is None or boottime() + seconds >= until:
        return False
    await asyncio.sleep(max(seconds, 0.02))
    return True


class Delivering:
    """The next notices of one batch in the hands of one worker, none sent after `until` (on the clock of boottime)."""

    def __init__(self, line: Line, worker: str, tls: ssl.SSLContext, until: float) -> None:
        self._line = line
        self._worker = worker
        self._tls = tls
        self._until = until
        seeds = [seed for seed in (line["seed"], line["previous_seed"]) if seed]
        self._secrets = [notices.secret_of(seed) for seed in seeds]

    async def run(self) -> Mapping[str, int]:
        """Send and record; how many notices became what. Whatever goes wrong ends with the lease."""
        results = [result async for result in self._results()]
        try:
            return await asyncio.to_thread(self._record, results)
        except DatabaseError:
            logger.exception("What became of notices could not be recorded", extra={"batch_id": self._line["batch_id"]})
            return {}

    async def _results(self) -> AsyncIterator[dict[str, object]]:
        """The attempts, up to the first that does not arrive: a later notice waits for an earlier one."""
        async with Receiver(self._tls) as receiver:
            for notice in self._line["notices"]:
                if boottime() + settings().notice_timeout_seconds >= self._until:
                    return
                delivery = await self._deliver(receiver, notice)
                yield {"id": notice["id"], "delivered": delivery.delivered, **asdict(delivery)}
                if not delivery.delivered:
                    return

    async def _deliver(self, receiver: Receiver, notice: Waiting) -> Delivery:
        if notices.hashed(self._secrets[0]) != self._line["secret_hash"]:
            return Delivery(None, KEY_CHANGED)
        body = to_json(notice["body"])
        return await receiver.send(self._line["url"], body, signed(notice["id"], body, self._secrets))

    def _record(self, results: list[dict[str, object]]) -> Mapping[str, int]:
        params = {
            "p_worker": self._worker,
            "p_batch_id": self._line["batch_id"],
            "p_url": self._line["url"],
            "p_results": results,
        }
        crash_points.reach("notices_before_record")
        counts: Mapping[str, int] = database.rpc("record_notices", params)
        crash_points.reach("notices_recorded")
        return counts


def signed(notice_id: str, body: bytes, secrets: list[str]) -> dict[str, str]:
    """The headers of an attempt that is made now; each secret signs, the current one first."""
    now = datetime.now(UTC)
    signatures = [Webhook(secret).sign(notice_id, now, body.decode()) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "User-Agent": "Batchline",
        "webhook-id": notice_id,
        "webhook-timestamp": f"{int(now.timestamp())}",
        "webhook-signature": " ".join(signatures),
    }
