"""What one message of the dialler's queue costs whom: processor time of the worker, the database, and the stand-ins.

One worker serves one message at a time, so that nothing waits for anything: what the messages have in common is the
cost of a message, what the longer ones have more of is the cost of a claim that finds nothing, and so on. The figures
are what the simulation in scaling.py is made of.
"""

from __future__ import annotations

import os
import time
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING

from benchmarks.costs import children, cpu_ms
from benchmarks.ground import ground
from benchmarks.optimum import Limits
from benchmarks.report import table
from shared import database, dispatch
from shared.settings import settings
from tests.dialer.fleet import Fleet
from tests.factories import fictional_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import LiteralString

    from benchmarks.ground import Ground
    from tests.factories import Agency

ONE_CLAIM = 0.05  # seconds of a share in which one claim is made, and waited after
CLAIMS = 5
SLOW, STEADY, FAST = Limits(1, 1000), Limits(60, 1000), Limits(600, 1000)
IDLE_SECONDS = 15
PARTS = ("worker", "postgres", "postgrest", "simulator", "aws")
CALLS = "select count(*) from public.calls where began_at is not null"
TURNS = "select coalesce(sum(calls), 0)::int from pg_stat_user_functions where funcname = 'claim_calls'"


@dataclass(frozen=True)
class Used:
    """Milliseconds of processor time of each part."""

    worker: float
    postgres: float
    postgrest: float
    simulator: float
    aws: float

    def __sub__(self, other: Used) -> Used:
        return Used(*(mine - its for mine, its in zip(astuple(self), astuple(other), strict=True)))

    def __truediv__(self, count: float) -> Used:
        return Used(*(mine / count for mine in astuple(self)))


@dataclass(frozen=True)
class Served:
    """What so many messages came to, all of them together."""

    used: Used
    messages: int
    claims: int
    calls: int
    seconds: float

    @property
    def each(self) -> Used:
        return self.used / self.messages

    def row(self, name: str) -> tuple[str, ...]:
        shown = (f"{one:.1f}" for one in astuple(self.each))
        per = f"{self.claims / self.messages:.1f}", f"{self.calls / self.messages:.1f}"
        return name, str(self.messages), *per, *shown, f"{self.seconds / self.messages:.2f}"


@dataclass(frozen=True)
class Bench:
    """The stack, the queue and the one worker."""

    here: Ground
    fleet: Fleet
    worker_pid: int
    idle: Used  # in a second in which nothing is asked of anybody: it is not the messages'

    def serve(self, agencies: Sequence[Agency], seconds: float) -> Served:
        """A message for each, one after the other, none waiting to be sent."""
        used, claims, calls, started = self._used(), self._count(TURNS), self._count(CALLS), time.monotonic()
        for agency in agencies:
            self.fleet.send({"agency_id": str(agency.id), "seconds": seconds})
        self._drain()
        lasted = time.monotonic() - started
        time.sleep(1.2)  # until the last backend has told how often its functions were called
        counts = self._count(TURNS) - claims, self._count(CALLS) - calls
        idle = self.idle / (1 / (time.monotonic() - started))
        return Served(self._used() - used - idle, len(agencies), *counts, lasted)

    def resting(self) -> Bench:
        """The same, knowing what is used in a second without messages."""
        used, started = self._used(), time.monotonic()
        time.sleep(IDLE_SECONDS)
        return replace(self, idle=(self._used() - used) / (time.monotonic() - started))

    def _drain(self) -> None:
        """Return when nothing waits or is served; asks seldom, since asking is work for the queue's stand-in."""
        end = time.monotonic() + 300
        while self.fleet.waiting() + self.fleet.taken():
            if time.monotonic() > end:
                raise RuntimeError("A message was not served in time; the worker's log says why.")
            time.sleep(0.25)

    def _used(self) -> Used:
        parts = self.here.stack.parts
        postgres = parts["postgres"].pid
        database = sum(map(cpu_ms, [postgres, *children(postgres)]))
        others = (cpu_ms(parts[name].pid) for name in PARTS[2:])
        return Used(cpu_ms(self.worker_pid), database, *others)

    def _count(self, statement: LiteralString) -> int:
        return self.here.rows(statement)[0][0]


def run(messages: int) -> tuple[str, bool]:
    """Measures with so many messages of a kind. The report; there is no target."""
    with ground(webhooks={"enabled": False}, people={"ring_seconds": [3600, 3600]}) as here:
        here.db.execute("alter system set track_functions = 'pl'")
        here.db.execute("select pg_reload_conf()")
        waiting, busy = _agency(here, SLOW, 5), _agency(here, FAST, 5000)
        single = [_agency(here, STEADY, 20) for _ in range(messages)]
        many = [_agency(here, FAST, 100) for _ in range(messages)]
        with Fleet.running(here.stack.folder / "logs", 60) as fleet:
            os.environ.update({"DISPATCH_QUEUE_URL": fleet.queue_url})
            settings.cache_clear()
            try:
                with fleet.worker() as worker:
                    bench = Bench(here, fleet, worker.pid, Used(0, 0, 0, 0, 0))
                    bench.serve([waiting, busy], ONE_CLAIM)  # all is warm, and nothing left to begin for the first
                    return _report(bench.resting(), waiting, busy, single, many), True
            finally:
                dispatch.close()
                database.close()


def _agency(here: Ground, limits: Limits, contacts: int) -> Agency:
    agency, _account = here.agency(limits)
    here.batch(agency, limits, fictional_numbers(contacts))
    return agency


def _report(bench: Bench, waiting: Agency, busy: Agency, single: Sequence[Agency], many: Sequence[Agency]) -> str:
    count = len(many)
    kinds = {
        "nothing to dial, one claim": bench.serve([waiting] * count, ONE_CLAIM),
        "nothing to dial, five claims": bench.serve([waiting] * (count // 2), CLAIMS - 0.5),
        "ten calls, key fetched": bench.serve(many, ONE_CLAIM),
        "ten calls, key kept": bench.serve(many, ONE_CLAIM),
        "one call, key fetched": bench.serve(single, ONE_CLAIM),
        "one call, key kept": bench.serve(single, ONE_CLAIM),
        "ten calls a second for five": bench.serve([busy] * (count // 2), CLAIMS - 0.5),
    }
    head = ("a message", "messages", "claims", "calls", *(f"{part}, ms" for part in PARTS), "seconds")
    rest = "In a second without messages, subtracted: " + ", ".join(
        f"{part} {used:.1f} ms" for part, used in zip(PARTS, astuple(bench.idle), strict=True)
    )
    return "\n\n".join(("## Messages", table(head, [served.row(name) for name, served in kinds.items()]), f"{rest}."))
