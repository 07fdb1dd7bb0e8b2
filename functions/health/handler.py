"""GET /health: whether this version can serve, for load balancers and deployments; nobody has to sign in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import health
from shared.edge import Answer, route

if TYPE_CHECKING:
    from shared.edge import Request


@route("GET")
def main(_request: Request) -> Answer:
    return Answer(200, health.check())
