"""The dial ceiling: with every limit out of the way, how many calls a second one worker process places.

Claim, begin, dial and settle through PostgREST to a simulator that accepts at once and sends no events, beside the same
HTTP client that only posts the same bodies over as many connections. Both run for some seconds in fresh processes, in
pairs one after the other, so that a machine that is busy with something else is so for both.

Every call stays live, since no event ends it, and its number can then not be called again: each round has an agency and
an account of its own. The claim counts live calls, so what a round leaves behind is ended before the next.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.ground import ground
from benchmarks.optimum import Limits
from benchmarks.report import sparkline, table
from local.processes import ROOT
from shared.settings import settings
from tests.factories import fictional_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.ground import Ground

TARGET = 0.6
MOST_ROUND_TRIPS = 3.2  # for 100 calls
SECONDS = 5
CONTACTS = 8_000  # more than can be dialled in that time
BOUNDLESS = Limits(calls_per_minute=10_000_000, max_concurrent=1_000_000)
VERBS = [  # what a worker calls: its turns, then its reconciliation
    *("claim_calls", "begin_dial", "settle_dials"),
    *("sweep_calls", "claim_questions", "record_answers", "record_account"),
]


@dataclass(frozen=True)
class Round:
    """What one process did."""

    calls: int
    failed: int
    seconds: float
    round_trips: int
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.calls / self.seconds


@dataclass(frozen=True)
class Pair:
    """Both rounds, the dialler's round trips as the database counted them, and its calls by second of the oracle."""

    bare: Round
    dialler: Round
    in_database: int
    by_second: list[int]

    @property
    def ratio(self) -> float:
        return self.dialler.rate / self.bare.rate

    @property
    def round_trips(self) -> float:
        """For 100 calls, by the higher of the two counts."""
        return 100 * max(self.dialler.round_trips, self.in_database) / self.dialler.calls

    def row(self) -> tuple[str, ...]:
        """As the report shows it."""
        busy = self.dialler.cpu_seconds / self.dialler.seconds
        rates = f"{self.bare.rate:.0f}", f"{self.dialler.rate:.0f}", f"{self.ratio:.2f}"
        return (*rates, f"{self.round_trips:.2f}", f"{busy:.0%}", sparkline(self.by_second))


def run(pairs: int) -> tuple[str, bool]:
    """Measures so many pairs. The report, and whether both targets were met."""
    with ground(webhooks={"enabled": False}, people={"ring_seconds": [3600, 3600]}) as here:
        here.db.execute("alter system set track_functions = 'pl'")
        here.db.execute("select pg_reload_conf()")
        return _report([_pair(here) for _ in range(pairs)], settings().dial_connections)


def _pair(here: Ground) -> Pair:
    alone = here.account()
    bare = _process("bare", alone.key, alone.agent_id)
    agency, account = here.agency(BOUNDLESS)
    here.batch(agency, BOUNDLESS, fictional_numbers(CONTACTS))
    before = _functions_called(here)
    dialler = _process("dialler", str(agency.id))
    in_database = _functions_called(here) - before
    stats = here.simulator.stats(account=account.id)
    assert (stats["accepted"], stats["double_dials"], dialler.failed) == (dialler.calls, 0, 0), stats
    starts = [call["accepted_monotonic"] for call in here.simulator.calls(account=account.id)]
    # Ended as calls of which the provider has said nothing for longer than any can last.
    here.db.execute("select batchline.sweep_calls(1000000, -1000000)")
    return Pair(bare, dialler, in_database, [sum(int(at - starts[0]) == n for at in starts) for n in range(SECONDS)])


def _process(*arguments: str) -> Round:
    command = (sys.executable, "-m", "benchmarks.rates", *arguments, str(SECONDS))
    done = subprocess.run(command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE, text=True, check=True)
    return Round(**json.loads(done.stdout.splitlines()[-1]))


def _functions_called(here: Ground) -> int:
    statement = "select coalesce(sum(calls), 0)::int from pg_stat_user_functions where funcname = any (%s)"
    return here.rows(statement, [VERBS])[0][0]


def _report(pairs: Sequence[Pair], connections: int) -> tuple[str, bool]:
    ratio, round_trips = median(pair.ratio for pair in pairs), median(pair.round_trips for pair in pairs)
    bare, dialler = median(pair.bare.rate for pair in pairs), median(pair.dialler.rate for pair in pairs)
    met = ratio >= TARGET and round_trips <= MOST_ROUND_TRIPS
    head = ("pair", "bare, calls/s", "dialler, calls/s", "ratio", "round trips/100", "worker's CPU", "by second")
    rows = [(str(number), *pair.row()) for number, pair in enumerate(pairs, 1)]
    rows.append(("median", f"{bare:.0f}", f"{dialler:.0f}", f"{ratio:.2f}", f"{round_trips:.2f}", "", ""))
    verdict = (
        f"Median ratio {ratio:.2f}, target {TARGET}; round trips to the database for 100 calls {round_trips:.2f}, "
        f"at most {MOST_ROUND_TRIPS}: {'met' if met else 'missed'}."
    )
    how = f"{len(pairs)} pairs of {SECONDS} s over {connections} connections, in turns of {connections // 2} calls."
    return "\n\n".join(("## Dial ceiling", how, table(head, rows), verdict)), met
