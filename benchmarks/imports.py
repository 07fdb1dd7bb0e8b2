"""What the benchmark of the import compares, each in a process of its own that prints what it did as JSON.

`python -m benchmarks.imports worker` runs the processor on the one job there is; `… download KEY` only reads the same
pages; `… insert AGENCY_ID COUNT` only inserts the same rows.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString, cast
from urllib.parse import urlsplit

import httpx
import psycopg
from pydantic_core import from_json

from benchmarks import pages
from shared import database, sync
from shared.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

HOURS = 3_600_000
COLUMNS = (
    *("status", "agency_id", "ultravox_call_id", "to_number", "from_number", "accepted_at", "joined_at", "ended_at"),
    *("outcome", "end_reason", "billing_status", "short_summary", "summary", "created_at", "raw"),
)


def worker() -> dict[str, Any]:
    """One run of process-historical-sync."""
    started, worked = time.perf_counter(), time.process_time()
    answer: Any = sync.process(lambda: HOURS)
    took, work = time.perf_counter() - started, time.process_time() - worked
    database.close()
    (entry,) = answer["results"]
    return {"calls": entry["processed"], "seconds": took, "cpu_seconds": work, "peak_mb": _peak_mb(), "entry": entry}


def download(key: str) -> dict[str, Any]:
    """Reads page after page and keeps nothing."""
    started, worked = time.perf_counter(), time.process_time()
    calls = asyncio.run(_download(key))
    took, work = time.perf_counter() - started, time.process_time() - worked
    return {"calls": calls, "seconds": took, "cpu_seconds": work, "peak_mb": _peak_mb(), "entry": {}}


async def _download(key: str) -> int:
    query, calls = {"sort": "-created", "pageSize": f"{settings().sync_page_size}"}, 0
    async with httpx.AsyncClient(base_url=settings().ultravox_base_url, headers={"X-API-Key": key}) as client:
        params = query
        while True:
            page: dict[str, Any] = from_json((await client.get("/api/calls", params=params)).raise_for_status().content)
            calls += len(page["results"])
            if page["next"] is None:
                return calls
            link: str = page["next"]
            params = query | {"cursor": httpx.QueryParams(urlsplit(link).query)["cursor"]}


def insert(agency_id: str, count: int) -> dict[str, Any]:
    """Inserts rows as the import makes them, a page to a statement and a transaction; only the statements are timed."""
    row = f"({', '.join(['%s'] * len(COLUMNS))})"
    took = 0.0
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        for rows in _pages(agency_id, count):
            values = ", ".join([row] * len(rows))
            statement = cast("LiteralString", f"insert into public.calls ({', '.join(COLUMNS)}) values {values}")  # noqa: S608
            started = time.perf_counter()
            connection.execute(statement, [value for one in rows for value in one])
            took += time.perf_counter() - started
    return {"calls": count, "seconds": took, "cpu_seconds": 0.0, "peak_mb": _peak_mb(), "entry": {}}


def _pages(agency_id: str, count: int) -> Iterator[list[tuple[Any, ...]]]:
    rendered, size = pages.templates(), settings().sync_page_size
    for start in range(0, count, size):
        calls: list[dict[str, Any]] = from_json(pages.page(rendered, agency_id, start, min(count, start + size)))
        yield [_row(agency_id, call) for call in calls]


def _row(agency_id: str, call: dict[str, Any]) -> tuple[Any, ...]:
    outgoing = call["medium"]["twilio"]["outgoing"]
    return (
        *("ended", agency_id, call["callId"], outgoing["to"], outgoing["from"], call["created"], call["joined"]),
        *(call["ended"], "answered" if call["joined"] else "no_answer", call["endReason"], call["billingStatus"]),
        *(call["shortSummary"], call["summary"], call["created"], json.dumps(call)),
    )


def _peak_mb() -> float:
    """The most memory that this process ever had in RAM."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1000


def main() -> None:
    match sys.argv[1:]:
        case ["worker"]:
            print(json.dumps(worker()))
        case ["download", key]:
            print(json.dumps(download(key)))
        case ["insert", agency_id, count]:
            print(json.dumps(insert(agency_id, int(count))))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
