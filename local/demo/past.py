"""The end of the demo: the agency's past calls are imported, with a bar that shows how far the import is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from local.demo.report import Promise

if TYPE_CHECKING:
    from rich.console import Console

    from local.demo.api import Api
    from local.demo.witness import Witness
    from local.simulator.client import Simulator

POLL_SECONDS = 0.2
LONGEST_SECONDS = 60.0


@dataclass(frozen=True)
class Imported:
    """The job as get-sync-status shows it in the end, how many past calls the provider has that are no batch's, how
    many rows and how many different calls of that kind are stored."""

    job: dict[str, Any]
    known: int
    rows: int
    calls: int


def import_past(
    api: Api, witness: Witness, simulator: Simulator, agency_id: str, api_key: str, console: Console
) -> Imported:
    """Imports everything until now. Raises LocalError when an endpoint refuses."""
    known = simulator.listed(api_key) - simulator.stats()["accepted"]
    api.start_sync()
    columns = (TextColumn("{task.description}"), BarColumn(40), MofNCompleteColumn(), TaskProgressColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        bar = progress.add_task("Importing past calls", total=None)
        deadline = time.monotonic() + LONGEST_SECONDS
        while True:
            status = api.sync_status()
            job = status["job"] if status["active"] else status["recent_job"]
            progress.update(bar, completed=job["processed_calls"], total=job["total_calls"])
            if not status["active"] or time.monotonic() > deadline:
                return Imported(job, known, *witness.strangers(agency_id))
            time.sleep(POLL_SECONDS)


def imported_once(past: Imported) -> Promise:
    """Every past call is stored, exactly once, and the import says so."""
    job = past.job
    is_over = job["status"] == "completed" and job["processed_calls"] == job["total_calls"]
    held = is_over and past.known == past.rows == past.calls == job["imported_calls"]
    seen = f"{job['imported_calls']:,}" if held else f"{past.calls:,} in {past.rows:,} rows, {job['status']}"
    hint = f" {job['error_message']}" if job["error_message"] else ""
    return Promise("Past calls imported, each once", f"{past.known:,}", seen, "both", held, hint)
