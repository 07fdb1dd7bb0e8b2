"""The answer of a function of the database is lost after its commit."""

from __future__ import annotations

import http.client
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.settings import settings
from tests.chaos.run import Scenario
from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.chaos.run import Run
    from tests.servers import Asked

FUNCTIONS = (
    "claim_calls",
    "begin_dial",
    "settle_dials",
    "sweep_calls",
    "claim_questions",
    "record_answers",
    "ingest_event",
)
LOST = 3


@contextmanager
def losing(run: Run, function: str) -> Generator[str]:
    """A PostgREST that does what it is asked, and some of whose answers about one function never arrive; its URL."""
    target = urlsplit(run.side.environment.get("SUPABASE_REST_URL") or settings().rest_url)
    to_lose = set(run.dice.sample(range(2 * LOST), LOST))
    seen = iter(range(1_000_000))

    def answer(asked: Asked) -> tuple[int, bytes] | None:
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
        try:
            connection.request(asked.method, asked.path, asked.body, asked.headers)
            response = connection.getresponse()
            status, body = response.status, response.read()
        finally:
            connection.close()
        if asked.path == f"/rpc/{function}" and _has_done_something(body) and next(seen) in to_lose:
            run.done["answers lost"] += 1
            return None
        return status, body

    with serving(answer) as served:
        yield served.url


def _has_done_something(body: bytes) -> bool:
    """A claim of nobody, a question about nothing: to lose such an answer would be no test."""
    return b'"calls" : []' not in body and b'"calls": []' not in body and b'"calls":[]' not in body


def play(run: Run, function: str) -> None:
    run.create(8)
    run.strike("accept_then_drop", 3)
    with losing(run, function) as url:
        if function != "ingest_event":
            run.finish(environment={"SUPABASE_REST_URL": url})
            return
        run.hear()
        with run.ground.events_to(run.side.environment | {"SUPABASE_REST_URL": url}) as events:
            run.finish(environment={"FUNCTIONS_URL": events})


SCENARIOS = [
    Scenario(f"lost_{function}", f"answer of `{function}` lost after its commit", partial(play, function=function))
    for function in FUNCTIONS
]
