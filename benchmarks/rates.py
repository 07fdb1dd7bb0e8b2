"""The two things that dial_rate compares, each in a process of its own that prints what it did as JSON.

`python -m benchmarks.rates dialler AGENCY_ID SECONDS` runs the processor; `… bare KEY AGENT_ID SECONDS` only posts.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
from pydantic_core import to_json

from benchmarks.orders import agents_path, headers, order
from shared import database, dialer, secrets
from shared.dials import call_request
from shared.lanes import Lanes
from shared.settings import settings
from tests.factories import fictional_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

PREPARED = 20_000  # bodies; more than can be posted


def dialler(agency_id: str, seconds: float) -> dict[str, Any]:
    """Claim, begin, dial and settle for `seconds`, and wait for the last answers."""
    requests: list[httpx.Request] = []
    secrets.account(agency_id)  # a run finds them kept by the one before
    database.client().event_hooks["request"].append(requests.append)
    started, worked = time.perf_counter(), time.process_time()
    figures = dialer.process(lambda: round(1000 * (seconds + settings().turn_seconds)), agency_id)
    took, work = time.perf_counter() - started, time.process_time() - worked
    database.close()
    return {
        "calls": figures["calls_initiated"],
        "failed": figures["calls_failed"],
        "seconds": took,
        "round_trips": len(requests),
        "cpu_seconds": work,
    }


def bare(key: str, agent_id: str, seconds: float) -> dict[str, Any]:
    """Posts bodies like the dialler's over as many connections, and does nothing else."""
    bodies = [
        to_json(call_request(order(number, agent_id, agent_id), "secret", settings()))
        for number in fictional_numbers(PREPARED)
    ]
    started, worked = time.perf_counter(), time.process_time()
    calls = asyncio.run(_post(iter(bodies), key, agent_id, started + seconds))
    took, work = time.perf_counter() - started, time.process_time() - worked
    return {"calls": calls, "failed": 0, "seconds": took, "round_trips": 0, "cpu_seconds": work}


async def _post(bodies: Iterator[bytes], key: str, agent_id: str, until: float) -> int:
    timers, path = settings(), agents_path(agent_id)
    timeout = httpx.Timeout(timers.dial_timeout_seconds, connect=timers.connect_timeout_seconds)
    lanes = Lanes(timers.dial_connections)
    async with httpx.AsyncClient(base_url=timers.ultravox_base_url, transport=lanes, timeout=timeout) as client:

        async def lane() -> int:
            calls = 0
            while time.perf_counter() < until:
                answer = await client.post(path, content=next(bodies), headers=headers(key))
                assert answer.status_code == httpx.codes.CREATED, answer.text
                calls += 1
            return calls

        return sum(await asyncio.gather(*(lane() for _ in range(lanes.free))))


def main() -> None:
    match sys.argv[1:]:
        case ["dialler", agency_id, seconds]:
            print(json.dumps(dialler(agency_id, float(seconds))))
        case ["bare", key, agent_id, seconds]:
            print(json.dumps(bare(key, agent_id, float(seconds))))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
