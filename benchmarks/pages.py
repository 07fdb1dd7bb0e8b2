"""Past calls by the million, rendered beforehand: a provider that needs next to no time for a page.

`python -m benchmarks.pages` serves them on a free port and prints its URL. How many there are is the number that the
API key begins with. A few hundred calls of the simulator's are rendered once; every further one is one of them under an
id of its own, so that a page is only put together, never made.
"""

from __future__ import annotations

import hashlib
import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import uvicorn

from local.simulator.accounts import Account
from local.simulator.config import AccountConfig
from local.simulator.rendering import call_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

RENDERED = 500
MOST = 1000
AGENT = "11111111-1111-4111-8111-111111111111"
READY = "pages at "


def call_id(seed: str, number: int) -> str:
    """The id of a call, as random as the provider's."""
    digits = hashlib.blake2b(f"{seed} {number}".encode(), digest_size=16).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"


def templates() -> list[tuple[bytes, bytes]]:
    """Rendered calls, each as what stands before its id and what stands behind it."""
    config = {"api_key": "rendered", "agents": [{"agentId": AGENT}], "past": {"count": 1_000_000}}
    past = Account(AccountConfig.model_validate(config), seed=1).past
    calls = [call_json(past[500_000 + number], "sip_only") for number in range(RENDERED)]
    found: list[tuple[bytes, bytes]] = []
    for call in calls:
        before, _, behind = json.dumps(call, separators=(",", ":")).encode().partition(call["callId"].encode())
        found.append((before, behind))
    return found


def page(rendered: list[tuple[bytes, bytes]], seed: str, start: int, stop: int) -> bytes:
    """The calls from `start` up to `stop`, as a JSON list."""

    def calls() -> Iterator[bytes]:
        for number in range(start, stop):
            before, behind = rendered[number % RENDERED]
            yield before + call_id(seed, number).encode() + behind

    return b"[" + b",".join(calls()) + b"]"


def app(rendered: list[tuple[bytes, bytes]], url: str) -> Callable[..., Awaitable[None]]:
    """GET /api/calls, as far as an import needs it."""

    async def answer(scope: dict[str, Any], _receive: object, send: Callable[[Any], Awaitable[None]]) -> None:
        query = parse_qs(scope["query_string"].decode())
        key = dict(scope["headers"])[b"x-api-key"].decode()
        count, size = int(key.split("-")[0]), min(MOST, int(query["pageSize"][0]))
        start = int(query.get("cursor", ["0"])[0])
        stop = min(count, start + size)
        link = f'"{url}/api/calls?cursor={stop}"' if stop < count else "null"
        body = b'{"results":%b,"next":%b,"total":%d}' % (page(rendered, key, start, stop), link.encode(), count)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return answer


def main() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(
            uvicorn.Config(app(templates(), url), lifespan="off", log_level="warning", access_log=False)
        )
        listening.listen()
        print(f"{READY}{url}", flush=True)
        server.run(sockets=[listening])


if __name__ == "__main__":
    main()
