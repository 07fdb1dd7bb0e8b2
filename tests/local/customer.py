"""A customer of the provider, as its API sees one, and a provider that knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import httpx

from local.simulator.client import NO_TLS

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = "demokey1.0123456789abcdef0123456789abcdef"
AGENT = "11111111-1111-4111-8111-111111111111"
NUMBER = "+12135550123"
OURS = "+12135550100"

UNLIMITED = {"calls_per_second": None, "calls_per_minute": None}
QUICK = {"ring_seconds": (0.02, 0.04), "talk_seconds": (0.05, 0.1), "outcomes": {"answered": 1}}
CONFIG = {
    "accounts": [{"api_key": KEY, "plan": UNLIMITED, "agents": [{"agentId": AGENT, "name": "sales"}]}],
    "people": QUICK,
    "webhooks": {"enabled": False},
    "billed_after_seconds": 0.02,
}

Json = dict[str, Any]


def twilio(to: str = NUMBER) -> Json:
    """A medium that calls this number."""
    return {"twilio": {"outgoing": {"to": to, "from": OURS}}}


class Customer:
    """Asks the API with a key; every answer is handed back as it came."""

    def __init__(self, base_url: str, key: str = KEY) -> None:
        headers = {"X-API-Key": key}
        self._http = httpx.Client(base_url=base_url, headers=headers, verify=NO_TLS, trust_env=False, timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(self, to: str = NUMBER, /, metadata: Mapping[str, str] | None = None, **members: Any) -> httpx.Response:
        """Asks for a call to this number."""
        return self.create({"medium": twilio(to), "metadata": dict(metadata or {}), **members})

    def create(self, body: Json, **query: str) -> httpx.Response:
        """Asks for a call with exactly this body."""
        return self._http.post(f"/api/agents/{AGENT}/calls", json=body, params=query)

    def get(self, path: str, **query: Any) -> httpx.Response:
        """GET."""
        return self._http.get(path, params=query or None)

    def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Any other request."""
        return self._http.request(method, path, json=body)

    def post(self, content: bytes, kind: str = "application/json") -> httpx.Response:
        """Asks for a call with these bytes."""
        return self._http.post(f"/api/agents/{AGENT}/calls", content=content, headers={"Content-Type": kind})

    def seen(self, call_id: str) -> Json:
        """The call as the provider shows it now."""
        return self.get(f"/api/calls/{call_id}").json()
