"""What is attacked: an operation of the document with things that exist, and an event of the provider."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from hypothesis import strategies as st

from tests.attacks.strategies import encoded
from tests.attacks.wire import Shot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from local.openapi.document import Json
    from tests.openapi.contract import Operation

JSON = ("Content-Type", "application/json")


@dataclass(frozen=True)
class Target:
    """An operation of the document, and values of what exists, by field: one of `things` for each request."""

    name: str
    raw: Json
    loaded: Operation
    things: Sequence[Json]

    @property
    def method(self) -> str:
        return self.raw["method"]

    def body_with(self, thing: Json) -> Json | None:
        """The document's example, about this thing."""
        if "requestBody" not in self.raw:
            return None
        body = copy.deepcopy(self.raw["requestBody"]["content"]["application/json"]["example"])
        return {name: thing.get(name, value) for name, value in body.items()}

    def path_with(self, thing: Json) -> str:
        path: str = self.raw["path"]
        for parameter in self._parameters("path"):
            value = thing.get(parameter["name"], parameter["example"])
            path = path.replace(f"{{{parameter['name']}}}", encoded(str(value)))
        return path

    def query_with(self, thing: Json) -> list[tuple[str, str]]:
        shown = [(one["name"], one["example"]) for one in self._parameters("query") if "example" in one]
        return [(name, str(thing.get(name, value))) for name, value in shown]

    def request(self, thing: Json) -> Shot:
        """One that would be good, if the thing were theirs who ask."""
        body = self.body_with(thing)
        return Shot(
            self.method,
            with_query(self.path_with(thing), self.query_with(thing)),
            () if body is None else (JSON,),
            b"" if body is None else json.dumps(body).encode(),
        )

    def parameter_names(self) -> list[str]:
        return [one["name"] for one in self._parameters("query")] + ["select", "order", "or", "x"]

    def _parameters(self, place: str) -> Iterator[Json]:
        return (one for one in self.raw.get("parameters", []) if one["in"] == place)


def with_query(path: str, query: Sequence[tuple[str, str]]) -> str:
    return path + ("?" if query else "") + "&".join(f"{name}={encoded(value)}" for name, value in query)


def some_thing(target: Target) -> st.SearchStrategy[Json]:
    return st.sampled_from(target.things)


def event_of(changes: Json, name: str = "call.ended") -> Json:
    """An event with a call in which each field that the provider documents has a value."""
    return {
        "event": name,
        "call": {
            "callId": "",
            "clientVersion": "1",
            "created": "2026-01-31T12:00:00Z",
            "joined": "2026-01-31T12:00:05Z",
            "ended": "2026-01-31T12:01:05Z",
            "endReason": "hangup",
            "billedDuration": "66s",
            "billingStatus": "BILLING_STATUS_BILLED",
            "firstSpeakerSettings": {"user": {}},
            "maxDuration": "3600s",
            "joinTimeout": "90s",
            "medium": {"twilio": {"outgoing": {"to": "+12135550123", "from": "+12125550100"}}},
            "metadata": {"agency_id": "", "call_id": "", "to_number": "+12135550123"},
            "agent": {"agentId": str(uuid4()), "name": "Agent"},
            "agentId": str(uuid4()),
            "errorCount": 0,
            "sipDetails": {"billedDuration": "60s", "terminationReason": "SIP_TERMINATION_NORMAL"},
            "shortSummary": "They talked.",
            "summary": "They talked for a while.",
            "sharedSecrets": ["x"],
            "callbacks": {"ended": {"url": "http://127.0.0.1:9"}},
            **changes,
        },
    }
