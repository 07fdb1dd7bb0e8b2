"""A caller over their limit beside well-behaved ones: what the first is answered, and what the others notice of it.

Phase by phase, undisturbed ones between the abused, so that a machine that is busy with something else is so for all.
The others ask at fixed times whatever is answered, and an answer's time counts from when it should have been asked for.
What an abuser is let do within the limit is work like any other's, all at once; the target is for what comes after.

On Lambda no two requests share a process. Here the abusers have a gateway of their own, as they would have containers
of their own, and share with the others what they would share there: PostgREST, the database, and, which they would not,
two cores. The slow and the huge are for the front door to bear, so they come in by that of the others.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import quantiles
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import httpx

from benchmarks.ground import ground
from benchmarks.report import table
from local import keys
from local.processes import ROOT, Part, free_ports
from tests.calling import claims
from tests.factories import make_agency, make_api_key

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from uuid import UUID

    from benchmarks.abusers import Answer
    from benchmarks.ground import Ground

LIMIT = 120
TARGET = 1.5
AGENCIES, CALLERS = 3, 2  # well-behaved: so many of each agency
A_SECOND = 3  # of each caller: two reads, one write
KINDS = ("flood", "refused", "slow")
UNDISTURBED = "undisturbed"
ROWS = "select count(*), extract(epoch from min(created_at))::float from public.counted_requests where caller_id = %s"
LISTED = "select count(*) from public.do_not_call where agency_id = %s"


@dataclass(frozen=True)
class Asked:
    """A request of the others: when it was due (Unix time), and how long its answer took from then on."""

    due: float
    milliseconds: float
    succeeded: bool


@dataclass(frozen=True)
class Abused:
    """One abuser: the answers, the rows that count for them, and what they have stored."""

    answers: Sequence[Answer]
    rows: int
    first_at: float | None  # Unix time of the oldest of the rows
    stored: int | None

    @property
    def passed(self) -> int:
        """Those of the answers that were no 429."""
        return sum(status != 429 for _, _, status, _, _ in self.answers)

    @property
    def busy(self) -> int:
        """The 429 for which too many waited for the agency's lock; each counts for the limit."""
        return sum(busy for *_, busy in self.answers)

    @property
    def wrong_waits(self) -> int:
        """The other 429 whose Retry-After ends before the oldest row is a minute old, or more than 2 s after it.

        Each of two roundings, the database's and the container's, adds up to one second.
        """
        free = (self.first_at or 0) + 60
        waits = [(asked + (wait or 0), answered + (wait or 0)) for asked, answered, status, wait, busy in self.answers
                 if status == 429 and not busy]  # fmt: skip
        return sum(late < free or early > free + 2 for early, late in waits)

    @property
    def is_exact(self) -> bool:
        """Whether as many were let in as are allowed, and the others were told the truth."""
        let_in = self.passed + self.busy
        return let_in == self.rows == LIMIT and self.stored in (None, self.passed) and not self.wrong_waits


@dataclass
class Seen:
    """What the others were answered, by phase, and the abusers."""

    others: defaultdict[str, list[Asked]] = field(default_factory=lambda: defaultdict[str, list[Asked]](list))
    abusers: list[tuple[str, Abused]] = field(default_factory=list[tuple[str, Abused]])


def run(rounds: int, seconds: float) -> tuple[str, bool]:
    """Measures so many rounds of phases of so many seconds. The report, and whether the targets were met."""
    seen = Seen()
    with ground() as place, _gateway_of_abusers(place) as theirs:
        tokens = [_token(place, user) for _ in range(AGENCIES) for user in _users(place)]
        _others(place, tokens, 2)
        for _ in range(rounds):
            for kind in KINDS:
                seen.others[UNDISTURBED] += _others(place, tokens, seconds)
                _phase(place, place.stack.url if kind == "slow" else theirs, tokens, seconds, seen, kind)
    return _section(seen)


def _users(place: Ground) -> Sequence[UUID]:
    agency = make_agency(place.db, max_requests_per_minute=LIMIT)
    return [agency.owner, agency.admin][:CALLERS]


def _token(place: Ground, user_id: UUID) -> str:
    known = keys.load_or_make(place.stack.folder / "keys.json")
    return known.sign(claims(user_id, f"{place.stack.url}/auth/v1", exp=int(time.time()) + 7200))


def _phase(place: Ground, url: str, tokens: Sequence[str], seconds: float, seen: Seen, kind: str) -> None:
    agency = make_agency(place.db, max_requests_per_minute=LIMIT)
    if kind == "refused":
        key = make_api_key(place.db, agency)
        caller, headers = key.id, key.headers
    else:
        caller, headers = agency.owner, {"Authorization": f"Bearer {_token(place, agency.owner)}"}
    with _abuser(kind, {"url": f"{url}/functions/v1", "headers": headers}) as process:
        over = Event()
        Thread(target=lambda: process.stdout and process.stdout.readline() and over.set(), daemon=True).start()
        while not over.is_set():
            seen.others[f"{kind}, until then"] += _others(place, tokens, 1)
        seen.others[kind] += _others(place, tokens, seconds)
        answers = json.loads(process.communicate(timeout=120)[0])
    (rows, first_at), ((stored,),) = place.rows(ROWS, (caller,))[0], place.rows(LISTED, (agency.id,))
    seen.abusers.append((kind, Abused(answers, rows, first_at, stored if kind == "flood" else None)))


@contextmanager
def _gateway_of_abusers(place: Ground) -> Generator[str]:
    (port,) = free_ports(1)
    command = (sys.executable, "-m", "local.gateway", str(port), str(place.stack.folder / "keys.json"))
    log = place.stack.folder / "logs" / "gateway-of-abusers.log"
    part = Part("gateway", command, log, "Uvicorn running on", dict(os.environ))
    part.start()
    try:
        part.wait_ready()
        yield f"http://127.0.0.1:{port}"
    finally:
        part.signal_stop()
        part.join()


@contextmanager
def _abuser(kind: str, given: dict[str, Any]) -> Generator[subprocess.Popen[str]]:
    """The process has begun when the block begins."""
    command = [sys.executable, "-m", "benchmarks.abusers", kind]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(json.dumps(given) + "\n")
            process.stdin.flush()
            assert process.stdout.readline() == "ready\n"
            process.stdin.write("begin\n")
            process.stdin.flush()
            yield process
        finally:
            process.kill()


def _others(place: Ground, tokens: Sequence[str], seconds: float) -> list[Asked]:
    return asyncio.run(_behave(place.stack.env["FUNCTIONS_URL"], tokens, seconds))


async def _behave(url: str, tokens: Sequence[str], seconds: float) -> list[Asked]:
    limits = httpx.Limits(keepalive_expiry=2)  # sooner than the gateway closes a connection
    async with httpx.AsyncClient(base_url=url, timeout=30, limits=limits, trust_env=False) as client:
        return await asyncio.gather(
            *(
                _ask(client, token, at=(nth + place / len(tokens)) / A_SECOND, writes=nth % A_SECOND == 0)
                for place, token in enumerate(tokens)
                for nth in range(round(seconds * A_SECOND))
            )
        )


async def _ask(client: httpx.AsyncClient, token: str, *, at: float, writes: bool) -> Asked:
    headers, due = {"Authorization": f"Bearer {token}"}, time.time() + at
    await asyncio.sleep(at)
    if writes:
        response = await client.post("/campaigns-create", headers=headers, json={"name": "Spring"})
    else:
        response = await client.get("/calls-batch-list", headers=headers)
    return Asked(due, 1000 * (time.time() - due), response.is_success)


def _section(seen: Seen) -> tuple[str, bool]:
    quiet = _percentile(seen.others[UNDISTURBED], 95)
    phases = [phase for phase in (UNDISTURBED, *KINDS, *(f"{kind}, until then" for kind in KINDS))
              if len(seen.others[phase]) > 1]  # fmt: skip
    percentiles = {phase: [_percentile(seen.others[phase], share) for share in (50, 95, 99)] for phase in phases}
    rows = [
        (phase, len(seen.others[phase]), *(f"{one:.1f}" for one in found), f"{found[1] / quiet:.2f}")
        for phase, found in percentiles.items()
    ]
    abusers = [
        (
            kind, len(one.answers), one.rows, one.passed, "" if one.stored is None else one.stored, one.busy,
            len(one.answers) - one.passed - one.busy, one.wrong_waits,
        )
        for kind, one in seen.abusers
    ]  # fmt: skip
    head = ("the others, while there is", "requests", "p50, ms", "p95, ms", "p99, ms", "p95 / undisturbed")
    abuser_head = ("abuser", "answers", "counted", "not 429", "stored", "busy", "over the limit", "wrong Retry-After")
    verdict, met = _verdict(seen, quiet)
    return "\n\n".join(("## Abuse", table(head, rows), table(abuser_head, abusers), verdict)), met


def _verdict(seen: Seen, quiet: float) -> tuple[str, bool]:
    highest = max(_percentile(seen.others[kind], 95) for kind in KINDS) / quiet
    refused = sum(not one.succeeded for asked in seen.others.values() for one in asked)
    exact = all(one.is_exact for kind, one in seen.abusers if kind != "slow")
    met = highest <= TARGET and exact and not refused
    limit = f"the limit of {LIMIT} was {'exact' if exact else 'NOT exact'}"
    verdict = f"Highest ratio {highest:.2f}, target at most {TARGET}; others refused: {refused}; {limit}"
    return f"{verdict}: {'met' if met else 'MISSED'}.", met


def _percentile(asked: Sequence[Asked], share: int) -> float:
    times = [one.milliseconds for one in asked]
    return quantiles(times, n=100)[share - 1] if len(times) > 1 else float("inf")
