"""POST /webhook-ingest/{agency_id}: take one signed event of the provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import webhooks
from shared.edge import Answer, route

if TYPE_CHECKING:
    from shared.edge import Request


@route("POST")
def main(request: Request) -> Answer:
    webhooks.receive(request.path.get("agency_id", ""), request.headers, request.body())
    return Answer(204)
