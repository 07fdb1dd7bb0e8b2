"""Many connections to one host: counted before they are used, and used again while they are warm."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from shared.lanes import Lanes
from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.servers import Asked


def over(count: int, url: str, work: Callable[[Lanes, httpx.AsyncClient], Awaitable[None]]) -> None:
    """Do work with a client of so many lanes."""

    async def run() -> None:
        lanes = Lanes(count)
        async with httpx.AsyncClient(transport=lanes, base_url=url) as client:
            await work(lanes, client)

    asyncio.run(run())


def hello(_asked: Asked) -> tuple[int, bytes]:
    return 200, b"{}"


def test_a_lane_is_taken_while_its_request_is_out_and_free_when_its_answer_is_known() -> None:
    arrived, go_on = threading.Barrier(3), threading.Event()

    def wait(asked: Asked) -> tuple[int, bytes]:
        arrived.wait(5)
        go_on.wait(5)
        return hello(asked)

    async def work(lanes: Lanes, client: httpx.AsyncClient) -> None:
        requests = [asyncio.create_task(client.get("/")) for _ in range(2)]
        await asyncio.to_thread(arrived.wait, 5)
        assert lanes.free == 1
        go_on.set()
        assert [(await request).status_code for request in requests] == [200, 200]
        assert lanes.free == 3

    with serving(wait) as server:
        over(3, server.url, work)


def test_whoever_waits_for_lanes_goes_on_when_so_many_are_free() -> None:
    async def work(lanes: Lanes, client: httpx.AsyncClient) -> None:
        await lanes.until_free(2)
        requests = [asyncio.create_task(client.get("/")) for _ in range(2)]
        await asyncio.sleep(0)
        assert lanes.free == 0
        await lanes.until_free(2)
        assert lanes.free == 2
        await asyncio.gather(*requests)

    with serving(hello) as server:
        over(2, server.url, work)


def test_a_request_that_finds_no_lane_free_fails_at_once_without_being_sent() -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def wait(asked: Asked) -> tuple[int, bytes]:
        arrived.set()
        go_on.wait(5)
        return hello(asked)

    async def work(lanes: Lanes, client: httpx.AsyncClient) -> None:
        first = asyncio.create_task(client.get("/"))
        await asyncio.to_thread(arrived.wait, 5)
        with pytest.raises(httpx.PoolTimeout, match="every lane is in use"):
            await client.get("/")
        go_on.set()
        await first
        assert lanes.free == 1

    with serving(wait) as server:
        over(1, server.url, work)
        assert len(server.asked) == 1


def test_a_lane_comes_back_when_its_request_fails_or_is_given_up() -> None:
    async def work(lanes: Lanes, client: httpx.AsyncClient) -> None:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/")
        assert lanes.free == 1
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.get("/slow")
        assert lanes.free == 1

    go_on = threading.Event()

    def slow_or_broken(asked: Asked) -> tuple[int, bytes] | None:
        if asked.path == "/slow":
            go_on.wait(1)
        return None

    with serving(slow_or_broken) as server:
        over(1, server.url, work)
        go_on.set()


def test_the_warmest_connection_is_used_again() -> None:
    connecting: list[str] = []

    async def trace(event: str, _info: object) -> None:
        connecting.extend([event] if event == "connection.connect_tcp.started" else [])

    async def work(_lanes: Lanes, client: httpx.AsyncClient) -> None:
        for _ in range(5):
            await client.get("/", extensions={"trace": trace})

    with serving(hello) as server:
        over(3, server.url, work)
    assert len(connecting) == 1


def test_an_answer_is_read_to_its_end_and_unpacked() -> None:
    async def work(_lanes: Lanes, client: httpx.AsyncClient) -> None:
        response = await client.get("/")
        assert (response.status_code, response.json()) == (200, {"a": ["b" * 100_000]})

    with serving(lambda _: (200, b'{"a": ["' + b"b" * 100_000 + b'"]}')) as server:
        over(1, server.url, work)
