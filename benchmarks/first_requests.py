"""One request to each function with a route, that it answers with success: what a container is asked first."""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import httpx

from local import keys
from tests.calling import claims, event
from tests.factories import batch_call_body, make_api_key
from tests.functions.test_every_endpoint import ENDPOINTS
from tests.sql import payloads
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.ground import Ground
    from local.functions import Event

BY_PERSON = {endpoint.name: endpoint for endpoint in ENDPOINTS}
METHODS = {"batch-call-update": "PATCH", "batch-call-execute": "POST", "batch-call-delete": "DELETE"}


@dataclass(frozen=True)
class FirstRequests:
    """Each request is about an agency of its own, so that none changes what the next one meets."""

    place: Ground

    def to(self, name: str) -> Event:
        """The event with which API Gateway would hand the function a request."""
        world = World(self.place.db)
        if name in BY_PERSON:
            endpoint, good = BY_PERSON[name], BY_PERSON[name].good(world)
            token = self._token(world)
            return event(name, token, body=good) if endpoint.posts else event(name, token, query=good)
        if name.startswith("batch-call-"):
            return self._by_program(name, world)
        return event(name) if name == "health" else self._by_provider(name, world)

    def _token(self, world: World) -> str:
        known = keys.load_or_make(self.place.stack.folder / "keys.json")
        return known.sign(claims(world.agency.owner, f"{self.place.stack.url}/auth/v1"))

    def _by_program(self, name: str, world: World) -> Event:
        headers = make_api_key(self.place.db, world.agency).headers
        body = batch_call_body(world.agency, status="draft")
        if name == "batch-call-create":
            return event(name, headers=headers, body=body)
        if name == "batch-call-list":
            return event(name, headers=headers)
        change = {"name": "Spring"} if name == "batch-call-update" else None
        path = {"batch_call_id": self._batch_call(headers, body)}
        return event(name, headers=headers, method=METHODS.get(name, "GET"), path_parameters=path, body=change)

    def _batch_call(self, headers: Mapping[str, str], body: Mapping[str, Any]) -> str:
        """One with its tasks in object storage, as programs make it."""
        answer = httpx.post(
            f"{self.place.stack.env['FUNCTIONS_URL']}/batch-call", headers=headers, json=body, timeout=30
        )
        return answer.raise_for_status().json()["data"]["batch_call_id"]

    def _by_provider(self, name: str, world: World) -> Event:
        secret = f"secret-{uuid4()}"
        self.place.store(world.agency, "ultravox-webhook-secret", secret)
        row = world.call(world.call_in("ringing"))
        told = payloads.answered(row, UUID(row["ultravox_call_id"]))["joined"]
        asked = {"event": "call.joined", "call": told} if name == "webhook-ingest" else {"call_id": told["callId"]}
        body, stamp = json.dumps(asked).encode(), datetime.now(UTC).isoformat()
        signature = hmac.new(secret.encode(), body + stamp.encode(), "sha256").hexdigest()
        headers = {"X-Ultravox-Webhook-Timestamp": stamp, "X-Ultravox-Webhook-Signature": signature}
        return event(name, body=body, headers=headers, path_parameters={"agency_id": str(world.agency.id)})
