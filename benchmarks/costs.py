"""What one call costs the database: processor time of PostgreSQL and of PostgREST, log and disk, verb by verb.

The verbs are called as the functions call them, over PostgREST and one at a time. Processor time, unlike time on the
clock, is little changed by what else the machine does, so these figures can be added up (docs/scaling.md).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from benchmarks.ground import ground
from benchmarks.optimum import Limits
from benchmarks.report import table
from shared import database
from tests.factories import fictional_numbers
from tests.sql import payloads
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from uuid import UUID

    from benchmarks.ground import Ground
    from tests.factories import Agency

PLAN = Limits(calls_per_minute=10_000_000, max_concurrent=1_000_000)
TURN = 100
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Meter:
    """Reads what was used until now."""

    here: Ground
    postgres_pid: int

    def read(self) -> tuple[float, float, int]:
        """Milliseconds of PostgreSQL, with all its processes, and of PostgREST; bytes of log."""
        processes = [self.postgres_pid, *children(self.postgres_pid)]
        postgrest = cpu_ms(self.here.stack.parts["postgrest"].pid)
        return sum(map(cpu_ms, processes)), postgrest, self.here.rows("select pg_current_wal_lsn() - '0/0'")[0][0]


@dataclass(frozen=True)
class Cost:
    """Of one unit of a verb: a call, an event, a claim that finds nothing."""

    verb: str
    units: int
    postgres_ms: float
    postgrest_ms: float
    wal_bytes: float

    def row(self) -> tuple[str, ...]:
        log = f"{self.wal_bytes:,.0f}"
        return (self.verb, f"{self.units:,}", f"{self.postgres_ms:.2f}", f"{self.postgrest_ms:.2f}", log)


def run(calls: int) -> tuple[str, bool]:
    """Measures with so many calls. The report; there is no target."""
    with ground() as here:
        meter = Meter(here, here.stack.parts["postgres"].pid)
        agency, _account = here.agency(PLAN)
        here.batch(agency, PLAN, fictional_numbers(calls + calls // 5))
        bulk = list(_begun(meter, agency, TURN, calls))
        bulk += _begun(meter, agency, 1, calls // 5)
        bulk += _told(meter, agency, calls // 2)
        bulk.append(_measured(meter, "claim that finds nothing", [_idle(uuid4())] * calls, 1))
        disk = here.rows("""
            select pg_total_relation_size('public.calls') / count(*),
                   (select pg_total_relation_size('public.call_events') / %s),
                   (select pg_total_relation_size('public.campaign_contacts') / count(*) from public.campaign_contacts)
            from public.calls
        """, [calls + calls // 5])[0]  # fmt: skip
        database.close()
    return _report(bulk, *map(int, disk)), True


def _begun(meter: Meter, agency: Agency, turn: int, calls: int) -> Generator[Cost]:
    """Claim, begin and settle so many calls, so many at a time: each step for all of them, then the next."""
    orders: list[list[str]] = []

    def claim() -> None:
        params = {"p_worker": "w", "p_limit": turn, "p_lease_seconds": 3600, "p_agency_id": str(agency.id)}
        orders.append([order["call_id"] for order in database.rpc("claim_calls", params)["calls"]])

    def begin(ids: Sequence[str]) -> None:
        database.rpc("begin_dial", {"p_worker": "w", "p_call_ids": ids, "p_lease_seconds": 3600})

    def settle(ids: Sequence[str]) -> None:
        results = [{"call_id": one, "result": "accepted", "ultravox_call_id": str(uuid4())} for one in ids]
        database.rpc("settle_dials", {"p_results": results})

    named = f"a turn of {turn}"
    yield _measured(meter, f"claim, {named}", [claim] * (calls // turn), turn)
    yield _measured(meter, f"begin, {named}", [lambda ids=ids: begin(ids) for ids in orders], turn)
    yield _measured(meter, f"settle, {named}", [lambda ids=ids: settle(ids) for ids in orders], turn)


def _told(meter: Meter, agency: Agency, calls: int) -> Generator[Cost]:
    """The provider's four events of each call, in order."""
    world = World(meter.here.db, agency)
    query = "select to_jsonb(call) from public.calls as call where agency_id = %s and status = 'ringing' limit %s"
    rows: list[dict[str, Any]] = [row[0] for row in meter.here.rows(query, [agency.id, calls])]
    told = [payloads.answered(row, row["ultravox_call_id"]) for row in rows]
    for event in payloads.ROUND:
        acts = [_event(world.agency.id, event, call[event]) for call in told]
        yield _measured(meter, f"webhook, {event}", acts, 1)


def _event(agency_id: UUID, event: str, call: object) -> Callable[[], object]:
    def tell() -> None:
        database.rpc("webhook_agency_known", {"p_agency_id": str(agency_id)})
        database.rpc("ingest_event", {"p_agency_id": str(agency_id), "p_event": f"call.{event}", "p_call": call})

    return tell


def _idle(agency_id: UUID) -> Callable[[], object]:
    params = {"p_worker": "w", "p_limit": TURN, "p_lease_seconds": 60, "p_agency_id": str(agency_id)}
    return lambda: database.rpc("claim_calls", params)


def _measured(meter: Meter, verb: str, acts: Sequence[Callable[[], object]], units_each: int) -> Cost:
    before = meter.read()
    for act in acts:
        act()
    units = max(1, len(acts) * units_each)
    postgres, postgrest, wal = (after - start for after, start in zip(meter.read(), before, strict=True))
    return Cost(verb, units, postgres / units, postgrest / units, float(wal) / units)


def children(parent: int) -> list[int]:
    """The ids of a process's children that run now."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
        if int(fields[1]) == parent:
            found.append(int(stat.parent.name))
    return found


def cpu_ms(pid: int) -> float:
    """Milliseconds of processor time: of a process, and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return TICK_MS * sum(map(int, fields[11:15]))


def _report(costs: Sequence[Cost], call: int, events: int, contact: int) -> str:
    by_verb = {cost.verb: cost for cost in costs}
    dialled = [by_verb[f"{verb}, a turn of {TURN}"] for verb in ("claim", "begin", "settle")]
    whole = [*dialled, *(by_verb[f"webhook, {event}"] for event in payloads.ROUND)]
    postgres, postgrest = sum(one.postgres_ms for one in whole), sum(one.postgrest_ms for one in whole)
    head = ("of one call, event or claim", "measured", "PostgreSQL, ms", "PostgREST, ms", "log, bytes")
    total = (
        f"A call in turns of {TURN} with its four events: {postgres:.1f} ms of PostgreSQL, {postgrest:.1f} ms of "
        f"PostgREST, {sum(one.wal_bytes for one in whole):,.0f} bytes of log. On disk, with indexes: a contact "
        f"{contact:,} bytes, a call {call:,}, its events {events:,}."
    )
    return "\n\n".join(("## Costs", table(head, [cost.row() for cost in costs]), total))
