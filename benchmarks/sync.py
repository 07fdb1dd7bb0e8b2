"""The import of past calls: how close it comes to what the provider and the database allow, and what it costs.

At the provider's pace: the simulator with a realistic time for each page, beside a client that only downloads the same
pages. Without waiting: pages that were rendered beforehand, beside a client that only inserts the same rows. Every side
is a fresh process; what it is compared with runs just before it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from benchmarks import pages
from benchmarks.ground import NO_LIMITS, ground
from benchmarks.optimum import Limits
from benchmarks.report import table
from local.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from benchmarks.ground import Ground
    from tests.factories import Agency

PAGE_LATENCY_SECONDS = 0.12
PAGE_SIZE = 100  # what the simulator gives at most
FEW = 10_000
DOWNLOAD_TARGET = 0.95
INSERT_TARGET = 0.5
MEMORY_TARGET = 1.2
LIMITS = Limits(calls_per_minute=60, max_concurrent=10)
# What any write to a row would change.
VERSIONS = "select count(*), sum(hashtextextended(id::text || xmin || ctid, 0)) from public.calls"


@dataclass(frozen=True)
class Side:
    """What one process did."""

    name: str
    calls: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    entry: Mapping[str, Any]

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.calls / self.seconds

    def row(self) -> tuple[str, ...]:
        """As the report shows it."""
        cpu = f"{1e6 * self.cpu_seconds / self.calls:.0f}" if self.cpu_seconds else ""
        return (
            *(self.name, f"{self.calls:,}", f"{self.seconds:.1f}", f"{self.rate:,.0f}"),
            *(cpu, f"{self.peak_mb:.0f}"),
        )


def run(past: int, many: int) -> tuple[str, bool]:
    """Import `past` calls at the provider's pace and `many` without waiting. Report, and whether targets were met."""
    with ground(page_latency_seconds=PAGE_LATENCY_SECONDS, page_size_max=PAGE_SIZE) as here:
        paced, paced_met = _at_the_providers_pace(here, past)
        rushed, rushed_met = _without_waiting(here, many)
    return "\n\n".join(("## Import", paced, rushed)), paced_met and rushed_met


def _at_the_providers_pace(here: Ground, count: int) -> tuple[str, bool]:
    agency, account = here.agency(LIMITS)
    here.simulator.add_account(
        account.key, plan=NO_LIMITS, agents=[{"agentId": account.agent_id}], past={"count": count}
    )
    bare = _process("bare download", "download", account.key)
    imported = _import("import", here, agency)
    assert bare.calls == imported.calls == imported.entry["imported"] == count, imported.entry
    ratio = imported.rate / bare.rate
    met = ratio >= DOWNLOAD_TARGET
    how = f"{count:,} calls, {PAGE_SIZE} a page, {1000 * PAGE_LATENCY_SECONDS:.0f} ms a page:"
    verdict = f"Ratio {ratio:.3f}, target {DOWNLOAD_TARGET}: {_word(met)}."
    return "\n\n".join((how, _table(bare, imported), verdict)), met


def _without_waiting(here: Ground, many: int) -> tuple[str, bool]:
    with _page_server() as url:
        few = _imported(here, url, FEW, f"import of {FEW:,}")[1]
        bare_agency, _ = here.agency(LIMITS)
        bare = _process("bare insert", "insert", str(bare_agency.id), str(many))
        here.db.execute("truncate public.calls cascade")
        agency, first = _imported(here, url, many, "import")
        before = here.rows(VERSIONS)
        again = _import("second import", here, agency, url)
    written = sum(again.entry[name] for name in ("imported", "updated"))
    unchanged = before == here.rows(VERSIONS) and before[0][0] == many and not written
    ratio, memory = first.rate / bare.rate, first.peak_mb / few.peak_mb
    met = ratio >= INSERT_TARGET and memory <= MEMORY_TARGET and unchanged
    verdict = (
        f"Ratio {ratio:.2f}, target {INSERT_TARGET}; peak memory {memory:.2f} times that of {FEW:,} calls, at most "
        f"{MEMORY_TARGET}; rows written by the second import: {'none' if unchanged else 'some'}: {_word(met)}."
    )
    how = f"{many:,} calls from pages rendered beforehand, no latency, as many a page as the import asks for:"
    return "\n\n".join((how, _table(few, bare, first, again), verdict)), met


def _imported(here: Ground, url: str, count: int, name: str) -> tuple[Agency, Side]:
    agency, _ = here.agency(LIMITS)
    here.store_key(agency, f"{count}-{uuid4()}")
    side = _import(name, here, agency, url)
    assert side.entry["imported"] == count, side.entry
    return agency, side


def _import(name: str, here: Ground, agency: Agency, url: str | None = None) -> Side:
    here.rows("select batchline.create_historical_sync_job(%s, null, null)", (agency.owner,))
    side = _process(name, "worker", ULTRAVOX_BASE_URL=url or here.simulator.base_url)
    assert side.entry["reason"] == "all_calls_fetched", side.entry
    return side


def _process(name: str, *arguments: str, **environment: str) -> Side:
    command = (sys.executable, "-m", "benchmarks.imports", *arguments)
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return Side(name, **json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def _page_server() -> Generator[str]:
    command = (sys.executable, "-m", "benchmarks.pages")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line.startswith(pages.READY), line
            yield line.removeprefix(pages.READY).strip()
        finally:
            process.terminate()


def _table(*sides: Side) -> str:
    head = ("", "calls", "seconds", "calls/s", "CPU us/call", "peak MB")
    return table(head, [side.row() for side in sides])


def _word(met: bool) -> str:
    return "met" if met else "missed"
