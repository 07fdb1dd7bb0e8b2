"""An agency with a past at the provider, its import, and the processor: here or in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from local.processes import ROOT
from shared import database, sync
from shared.settings import settings
from tests.dialer.harness import NO_LIMITS, World
from tests.processes import spawned

if TYPE_CHECKING:
    from collections.abc import Generator

    from local.simulator.client import Simulator
    from tests.factories import Connection

Row = dict[str, Any]

PAGE = 10
COUNTERS = ("processed_calls", "imported_calls", "updated_calls", "skipped_calls", "failed_calls")
# Stops at the n-th time that it comes to a point, says so, and goes on when it is told to.
WORKER = """
import json, sys
from shared import crash_points, sync

point, left = sys.argv[2], int(sys.argv[3])

def hook(reached):
    global left
    if reached == point:
        left -= 1
        if left == 0:
            print("reached", flush=True)
            sys.stdin.readline()

crash_points.hook = hook
print(json.dumps(sync.process(lambda: int(sys.argv[1]))), flush=True)
"""


@dataclass
class Past:
    """One agency, so many calls of which the provider knows, and at most one import."""

    world: World
    job_id: str = ""

    @classmethod
    def make(cls, db: Connection, simulator: Simulator, count: int, **past: object) -> Past:
        past_of = cls(World.make(db, simulator))
        past_of.has(count, **past)
        return past_of

    def has(self, count: int, **past: object) -> None:
        """The provider knows of so many calls from now on."""
        world = self.world
        agents = [{"agentId": world.agent_id}]
        world.simulator.add_account(world.key, plan=NO_LIMITS, agents=agents, past={"count": count, **past})

    # --- the provider's side

    def known(self) -> dict[str, Row]:
        """All calls that the provider lists, by its own links."""
        found: dict[str, Row] = {}
        with httpx.Client(headers={"X-API-Key": self.world.key}, trust_env=False) as client:
            url: str | None = f"{self.world.simulator.base_url}/api/calls?pageSize=100"
            while url:
                page = client.get(url).raise_for_status().json()
                found |= {call["callId"]: call for call in page["results"]}
                url = page["next"]
        return found

    def place_call(self) -> str:
        """Somebody else's program calls a person with the agency's key; the provider's id of the call."""
        world = self.world
        medium = {"twilio": {"outgoing": {"to": "+12135550123", "from": "+12125550199"}}}
        url = f"{world.simulator.base_url}/api/agents/{world.agent_id}/calls"
        answer = httpx.post(url, json={"medium": medium}, headers={"X-API-Key": world.key}, trust_env=False)
        return answer.raise_for_status().json()["callId"]

    # --- the import

    def start(self, **dates: str | None) -> None:
        """Asks for an import."""
        params = {"p_user_id": self.world.agency.owner, "p_date_from": None, "p_date_to": None}
        given = {f"p_{name}": value for name, value in dates.items()}
        self.job_id = database.rpc("create_historical_sync_job", params | given)["job_id"]

    def cancel(self) -> None:
        database.rpc("cancel_sync_job", {"p_user_id": self.world.agency.owner, "p_job_id": self.job_id})

    def run(self, seconds: float = 60) -> Row:
        """One run in this process; this agency's entry in its answer."""
        kept_back = sync.WRITES_KEPT_BACK * settings().write_timeout_seconds
        answer: Row = sync.process(lambda: round(1000 * (seconds + kept_back)))
        (entry,) = (entry for entry in answer["results"] if entry["job_id"] == self.job_id)
        return entry

    def whole(self) -> Row:
        """A new import from start to end; its entry."""
        self.start()
        return self.run()

    def row(self) -> Row:
        return self.world.one("select * from public.historical_sync_jobs where id = %s", self.job_id)

    @property
    def status(self) -> str:
        return self.row()["status"]

    def counters(self) -> tuple[int, ...]:
        """Processed, imported, updated, skipped, failed."""
        row = self.row()
        return tuple(row[name] for name in COUNTERS)

    def set(self, name: str, value: object) -> None:
        """Changes the job's row past the product."""
        assert name in ("resume_after", "attempts")
        query = f"update public.historical_sync_jobs set {name} = %s where id = %s"  # noqa: S608
        self.world.db.execute(query.encode(), [value, self.job_id])

    def expire(self) -> None:
        """As if the time of the lease were over; waits for a page that is being written."""
        query = "update public.historical_sync_jobs set claimed_until = 'epoch' where id = %s and claimed_by <> ''"
        self.world.db.execute(query, [self.job_id])

    def imported(self) -> list[str]:
        """The provider's ids of the calls that are stored and are no batch's."""
        query = "select ultravox_call_id::text as id from public.calls where agency_id = %s and contact_id is null"
        return [row["id"] for row in self.world.rows(query, self.world.agency.id)]

    def assert_consistent(self) -> None:
        """The counters are those of the calls stored, in one snapshot: a page may be on its way at this moment."""
        query = """
            select processed_calls, failed_calls,
                   (select count(*)::int from public.calls where agency_id = job.agency_id) as stored
            from public.historical_sync_jobs as job where id = %s
        """
        row = self.world.one(query, self.job_id)
        assert row["processed_calls"] - row["failed_calls"] == row["stored"]

    def assert_counted(self) -> None:
        """Every call that the provider announced was processed."""
        row = self.row()
        assert row["processed_calls"] == row["total_calls"]

    def assert_whole(self) -> None:
        """Each of the provider's calls is stored exactly once, and the counters say so."""
        stored = self.imported()
        assert len(stored) == len(set(stored))
        assert set(stored) == self.known().keys()
        assert self.counters() == (len(stored), len(stored), 0, 0, 0)
        assert self.status == "completed"


@dataclass(frozen=True)
class Worker:
    """A running process of the processor, which stops at its point."""

    process: subprocess.Popen[str]

    def wait_until_reached(self) -> None:
        assert self.process.stdout
        assert self.process.stdout.readline() == "reached\n"

    def kill(self) -> None:
        """SIGKILL: nothing of it runs any more afterwards."""
        self.process.kill()
        self.process.wait()

    def go_on(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def result(self) -> Row:
        """What its run answered, once it has ended."""
        written, errors = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, errors
        return json.loads(written.splitlines()[-1])


@contextmanager
def worker(point: str = "", times: int = 1, seconds: float = 60) -> Generator[Worker]:
    """A run in a process of its own, gone at the end of the block, that stops the n-th time it comes to a point."""
    milliseconds = round(1000 * (seconds + sync.WRITES_KEPT_BACK * settings().write_timeout_seconds))
    with spawned(
        [sys.executable, "-c", WORKER, str(milliseconds), point, str(times)],
        cwd=ROOT,
        env=dict(os.environ),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        yield Worker(process)
