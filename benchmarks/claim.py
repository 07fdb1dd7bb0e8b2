"""What a claim of 30 costs with every rule on, when a thousand wait and when a million do, beside one without rules.

Half of the contacts sleep and are first in their queue; of the others one in ten is on the do-not-call list and one in
ten has been called as often as the agency allows. Each claim is rolled back: all see the same queue.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, cast

import psycopg

from benchmarks.queues import CLAIM, Queue
from benchmarks.report import table
from local.migrate import migrate
from local.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.factories import Connection

SHORT = 1_000
GROWTH = 1.5
RULES = 3.0

CLAIM_CALLS = "select batchline.claim_calls('benchmark', %s, 60, %s)"
SET_ASIDE = """
select count(*) from public.call_events
where batch_id = %s and event in ('deferred', 'skipped') and contact_id is not null
"""


@dataclass(frozen=True)
class Figure:
    """Medians of the claims of one queue at one length: seconds, calls claimed, contacts set aside."""

    name: str
    length: int
    statistics: bool
    seconds: float
    claimed: int
    aside: int


def run(length: int, finished: int, rounds: int) -> tuple[str, bool]:
    """The section of the report, and whether both targets were met."""
    with tempfile.TemporaryDirectory(prefix="batchline-") as folder:
        postgres = Postgres(Path(folder) / "postgres", Path(folder) / "postgres.log")
        postgres.start()
        try:
            postgres.part.wait_ready()
            migrate(postgres.server.create("benchmark"))
            with psycopg.connect(postgres.server.database("benchmark"), autocommit=True) as db:
                figures = _measure(db, length, finished, rounds)
        finally:
            postgres.part.signal_stop()
            postgres.part.join()
    return _section(figures, length, finished)


def _measure(db: Connection, length: int, finished: int, rounds: int) -> list[Figure]:
    """Young tables first: none of them has statistics until the last figures."""
    db.execute("alter system set autovacuum = off")
    db.execute("select pg_reload_conf()")
    queues = {
        "no rules": Queue.made(db, ruled=False, finished=0),
        "all rules": Queue.made(db, ruled=True, finished=finished),
        "all rules, the forbidden first": Queue.made(db, ruled=True, first=True, finished=0),
    }
    figures: list[Figure] = []
    for size in (SHORT, length):
        for queue in queues.values():
            queue.grow(size)
        figures += _figures(queues, rounds, statistics=False)
    db.execute("vacuum analyze")
    return figures + _figures(queues, rounds, statistics=True)


def _figures(queues: Mapping[str, Queue], rounds: int, *, statistics: bool) -> list[Figure]:
    """The queues take turns, so that a busy moment meets them all. One round more is run first and forgotten."""
    measured = [[_claim(queue) for queue in queues.values()] for _ in range(rounds + 1)][1:]
    return [
        Figure(name, queue.length, statistics, median(seconds for seconds, *_ in claims), *claims[0][1:])
        for (name, queue), claims in zip(queues.items(), zip(*measured, strict=True), strict=True)
    ]


def _claim(queue: Queue) -> tuple[float, int, int]:
    with queue.db.transaction(force_rollback=True):
        began = time.perf_counter()
        answer = cast("tuple[Any]", queue.db.execute(CLAIM_CALLS, (CLAIM, queue.agency.id)).fetchone())[0]
        seconds = time.perf_counter() - began
        aside = cast("tuple[int]", queue.db.execute(SET_ASIDE, (queue.batch_id,)).fetchone())[0]
    return seconds, len(answer["calls"]), aside


def _section(figures: Sequence[Figure], length: int, finished: int) -> tuple[str, bool]:
    def seconds(name: str, size: int) -> float:
        return _last(figures, lambda one: one.name == name and one.length == size).seconds

    growth = max(one.seconds for one in figures if one.name == "all rules" and one.length == length)
    growth /= seconds("all rules", SHORT)
    rules = seconds("all rules", length) / seconds("no rules", length)
    met = growth <= GROWTH and rules <= RULES
    head = ("queue", "contacts", "statistics", "median ms", "claimed", "set aside")
    rows = [
        (
            one.name,
            f"{one.length:,}",
            "yes" if one.statistics else "no",
            f"{1000 * one.seconds:.1f}",
            one.claimed,
            one.aside,
        )
        for one in figures
    ]
    return (
        f"## A claim of {CLAIM} with every rule on\n\n"
        f"{finished:,} finished contacts and calls beside the second queue.\n\n"
        f"{table(head, rows)}\n\n"
        f"With {length:,} queued {growth:.2f} times as long as with {SHORT:,}, target at most {GROWTH}; "
        f"{rules:.2f} times as long as without the rules, target at most {RULES}: {'met' if met else 'MISSED'}."
    ), met


def _last(figures: Sequence[Figure], fits: Callable[[Figure], bool]) -> Figure:
    return [one for one in figures if fits(one)][-1]
