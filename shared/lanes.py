"""Many connections to one host, for many requests at once."""

from __future__ import annotations

import asyncio
from collections import deque

import httpx

KEEP_ALIVE_SECONDS = 20  # shorter than any provider's, so that no POST meets a connection that is being closed


class Lanes(httpx.AsyncBaseTransport):
    """Transports of one connection each, the warmest first.

    One pool of many connections walks all of them at every request: 3.7 ms of CPU a call at 100 connections. A request
    that finds no lane free fails with PoolTimeout at once: whoever dials has counted them before.
    """

    def __init__(self, count: int) -> None:
        self._tls = httpx.create_ssl_context()  # shared: making one takes 20 ms
        self._all = {self._lane() for _ in range(count)}
        self._free = deque(self._all)
        self._freed = asyncio.Event()

    def _lane(self) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEP_ALIVE_SECONDS)
        return httpx.AsyncHTTPTransport(verify=self._tls, limits=limits)

    @property
    def free(self) -> int:
        """How many requests could be sent now."""
        return len(self._free)

    async def until_free(self, count: int) -> None:
        """Returns when `count` requests could be sent."""
        while self.free < count:
            self._freed.clear()
            await self._freed.wait()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self._free:
            raise httpx.PoolTimeout("every lane is in use", request=request)
        lane = self._free.pop()
        try:
            response = await lane.handle_async_request(request)
            try:
                # Read to its end here, so that the lane is free when its answer is known.
                content = b"".join([chunk async for chunk in response.aiter_raw()])
            finally:
                await response.aclose()
        except BaseException:
            await self._replace(lane)
            raise
        self._free.append(lane)
        self._freed.set()
        return httpx.Response(response.status_code, headers=response.headers, content=content, request=request)

    async def _replace(self, lane: httpx.AsyncHTTPTransport) -> None:
        # A request that is cancelled while it is written leaves its connection in use for ever.
        fresh = self._lane()
        self._all ^= {lane, fresh}
        self._free.appendleft(fresh)
        self._freed.set()
        await lane.aclose()

    async def aclose(self) -> None:
        for lane in self._all:
            await lane.aclose()
