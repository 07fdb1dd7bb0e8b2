"""The answer of a function of the database is lost after its commit."""

from __future__ import annotations

import http.client
import json
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.settings import settings
from tests.chaos.run import Scenario
from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.chaos.run import Run
    from tests.servers import Asked

CHANGED: dict[str, Callable[[Any], object]] = {
    "claim_calls": lambda answer: answer["calls"],
    "begin_dial": lambda answer: answer["begun"],
    "settle_dials": lambda answer: answer["settled"],
    "sweep_calls": lambda answer: any(answer.values()),
    "claim_questions": lambda answer: answer["calls"],
    "record_answers": lambda _: True,
    "ingest_event": lambda answer: answer == "applied",
}
"""Whether an answer tells of a change: to lose the others would be no test."""


@contextmanager
def losing(run: Run, function: str) -> Generator[str]:
    """A PostgREST that does what it is asked, and some of whose answers about one function never arrive; its URL."""
    target = urlsplit(run.side.environment.get("SUPABASE_REST_URL") or settings().rest_url)
    to_lose = {0, *run.dice.sample(range(1, 5), 2)}
    seen = count()

    def answer(asked: Asked) -> tuple[int, bytes] | None:
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
        try:
            connection.request(asked.method, asked.path, asked.body, asked.headers)
            response = connection.getresponse()
            status, body = response.status, response.read()
        finally:
            connection.close()
        is_it = (
            asked.path == f"/rpc/{function}" and status == http.HTTPStatus.OK and CHANGED[function](json.loads(body))
        )
        if is_it and next(seen) in to_lose:
            run.done["answers lost"] += 1
            return None
        return status, body

    with serving(answer) as served:
        yield served.url


def play(run: Run, function: str) -> None:
    run.hear() if function == "ingest_event" else run.hear_nothing()
    run.create(8)
    run.strike("accept_then_drop", 3)
    if function == "sweep_calls":
        _leave_something(run)
    with losing(run, function) as url:
        rest = {"SUPABASE_REST_URL": url}
        if function == "ingest_event":
            with run.ground.events_to(run.side.environment | rest) as events:
                run.finish(environment={"FUNCTIONS_URL": events})
        else:
            run.finish(environment=rest)
    assert run.done["answers lost"]


def _leave_something(run: Run) -> None:
    with run.worker(point="begun") as victim:
        assert victim.reached()
        victim.kill()


SCENARIOS = [
    Scenario(
        f"lost_{function}",
        f"answer of `{function}` lost after its commit",
        partial(play, function=function),
        alone=function == "sweep_calls",  # which sweeps for every agency: another world's worker could do it first
    )
    for function in CHANGED
]
