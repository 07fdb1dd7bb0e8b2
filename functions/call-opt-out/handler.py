"""POST /call-opt-out/{agency_id}: the person in a call wants to be called no more; the agent's tool says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import opt_outs
from shared.edge import Answer, route

if TYPE_CHECKING:
    from shared.edge import Request


@route("POST")
def main(request: Request) -> Answer:
    return Answer(200, opt_outs.opt_out(request.path.get("agency_id", ""), request.headers, request.body()))
