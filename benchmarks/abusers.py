"""`python -m benchmarks.abusers KIND`: a caller who misbehaves, in a process of its own, apart from the measuring.

Reads what it needs as one line of JSON, says "ready", begins at the next line, says "now" when it is over its limit (or
all that is to be held is held), and ends with the input. Then it prints its answers as JSON: for each when it was asked
and answered (Unix times), the status, the Retry-After, or null, and whether too many waited for the agency's lock.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from tests.factories import fictional_numbers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

AT_ONCE = 100
NUMBERS = 10_000
A_SECOND = 40  # twenty times the limit
SLOW_CONNECTIONS = 200
HUGE = b'{"x":"' + b"x" * 5_000_000 + b'"}'

Answer = tuple[float, float, int, int | None, bool]


@dataclass
class Abuser:
    """Misbehaves until it is stopped; `answers` are what it was told."""

    url: str
    headers: dict[str, str]
    client: httpx.AsyncClient
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    answers: list[Answer] = field(default_factory=list[Answer])
    _has_said_now: bool = False

    async def flood(self) -> None:
        """Writes that would all succeed, each its own."""
        numbers = cycle(fictional_numbers(NUMBERS))
        await self._burst_and_go_on(
            lambda: self._ask("POST", "/do-not-call-add", json={"phone_numbers": [next(numbers)], "reason": "Flood"})
        )

    async def refused(self) -> None:
        """Nothing but what does not exist."""
        await self._burst_and_go_on(lambda: self._ask("DELETE", f"/batch-call/batch_call_{uuid4().hex}"))

    async def slow(self) -> None:
        """Bodies by letters over many connections, and every second one of 5 MB and one that has no end."""
        async with asyncio.TaskGroup() as group:
            for _ in range(SLOW_CONNECTIONS):
                group.create_task(self._letters())
            self._say_now()
            while not self.stopped.is_set():
                group.create_task(self._ask("POST", "/do-not-call-add", content=HUGE))
                group.create_task(self._endless())
                await self._pause(1)

    async def _burst_and_go_on(self, ask: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(ask())
            while not self.stopped.is_set():
                group.create_task(ask())
                await self._pause(1 / A_SECOND)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopped.wait(), seconds)

    def _say_now(self) -> None:
        if not self._has_said_now:
            self._has_said_now = True
            print("now", flush=True)

    async def _ask(self, method: str, path: str, **request: Any) -> None:
        asked = time.time()
        response = await self.client.request(method, self.url + path, headers=self.headers, **request)
        wait = response.headers.get("Retry-After")
        busy = '"agency_busy"' in response.text
        self.answers.append((asked, time.time(), response.status_code, int(wait) if wait else None, busy))
        if wait and not busy:
            self._say_now()

    async def _endless(self) -> None:
        async def body() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 0x10000
                await asyncio.sleep(0)

        with suppress(httpx.TransportError):  # it is cut off in the middle; whether its answer is read is chance
            await self._ask("POST", "/do-not-call-add", content=body())

    async def _letters(self) -> None:
        url = urlsplit(self.url)
        _reader, writer = await asyncio.open_connection(url.hostname, url.port)
        lines = [f"POST {url.path}/do-not-call-add HTTP/1.1", "Host: x", "Content-Length: 1000"]
        writer.write("\r\n".join([*lines, *map(": ".join, self.headers.items()), "", "{"]).encode())
        while not self.stopped.is_set():
            await self._pause(0.5)
            writer.write(b" ")
        writer.close()


async def misbehave(kind: str, given: dict[str, Any]) -> list[Answer]:
    """The answers that this kind of abuser was given until the input ended."""
    limits = httpx.Limits(max_connections=None, keepalive_expiry=2)  # sooner than the gateway closes a connection
    async with httpx.AsyncClient(timeout=60, limits=limits, trust_env=False) as client:
        abuser = Abuser(**given, client=client)
        async with asyncio.TaskGroup() as group:
            group.create_task({"flood": abuser.flood, "refused": abuser.refused, "slow": abuser.slow}[kind]())
            await asyncio.to_thread(sys.stdin.read)
            abuser.stopped.set()
        return abuser.answers


def main() -> None:
    given = json.loads(sys.stdin.readline())
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(asyncio.run(misbehave(sys.argv[1], given))))


if __name__ == "__main__":
    main()
