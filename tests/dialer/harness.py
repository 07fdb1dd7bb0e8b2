"""An agency that can dial, its batches, and the processor beside it: in this process or as processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import boto3  # pyright: ignore[reportMissingTypeStubs]
import httpx
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from local.processes import ROOT
from shared import database, dialer
from shared.settings import settings
from tests.factories import Agency, fictional_numbers, make_agency, make_agent_mapping
from tests.processes import spawned

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from typing import LiteralString
    from uuid import UUID

    from local.simulator.client import Simulator

    Connection = psycopg.Connection[tuple[object, ...]]

Row = dict[str, Any]

NO_LIMITS = {"name": "scale", "calls_per_second": None, "calls_per_minute": None, "max_concurrent": None}
OUTCOMES = (
    "answered",
    "voicemail",
    "dropped",
    "no_answer",
    "busy",
    "rejected",
    "invalid_number",
    "unavailable",
    "connection_error",
    "system_error",
)
WORKER = """
import json, sys
from shared import dialer

print(json.dumps(dialer.process(lambda: int(sys.argv[1]), sys.argv[2])), flush=True)
"""


@cache
def parameter_store() -> Any:
    """The stack's SSM; whoever asks first has it closed at the end of the tests."""
    return cast("Any", boto3).client("ssm")


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Returns when the condition holds; fails when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.01)


def doing(outcome: str, **people: object) -> Row:
    """The people of a simulator who all do this, quickly."""
    return {
        "outcomes": {one: float(one == outcome) for one in OUTCOMES},
        "ring_seconds": (0.02, 0.05),
        "talk_seconds": (0.05, 0.1),
        "no_answer_seconds": 0.1,
        "dropped_after_seconds": 0.05,
        **people,
    }


@dataclass
class World:
    """One agency with an account of its own at the provider, whose limits are out of the way."""

    db: Connection
    simulator: Simulator
    agency: Agency
    key: str
    account: str

    @classmethod
    def make(cls, db: Connection, simulator: Simulator) -> World:
        agency = make_agency(db, max_calls_per_minute=12_000, max_concurrent_calls=5000)
        world = cls(db, simulator, agency, f"key-{agency.id}", "")
        world.account = world.open_account()
        world.store("ultravox-api-key", world.key)
        world.store("ultravox-webhook-secret", f"secret-{agency.id}")
        return world

    def open_account(self, **plan: object) -> str:
        """Gives the agency's key, agent and plan to the simulator, or changes the plan."""
        return self.simulator.add_account(self.key, plan=NO_LIMITS | plan, agents=[{"agentId": self.agent_id}])

    @property
    def agent_id(self) -> str:
        """The provider's id of the agency's agent."""
        return self.one(
            "select ultravox_agent_id from public.agent_mappings where id = %s", self.agency.agent_mapping_id
        )["ultravox_agent_id"]

    def another_agent(self) -> UUID:
        """Our id of one more agent of the agency."""
        agent_mapping_id = make_agent_mapping(self.db, self.agency.id)
        agent_id = self.value("select ultravox_agent_id from public.agent_mappings where id = %s", agent_mapping_id)
        self.simulator.add_account(self.key, plan=NO_LIMITS, agents=[{"agentId": agent_id}])
        return agent_mapping_id

    def delete_agent(self) -> None:
        """The agency throws its agent away, at the provider."""
        url = f"{self.simulator.base_url}/api/agents/{self.agent_id}"
        httpx.delete(url, headers={"X-API-Key": self.key}).raise_for_status()

    def store(self, name: str, value: str) -> None:
        """Puts a secret of the agency into the parameter store."""
        path = self._parameter(name)
        parameter_store().put_parameter(Name=path, Value=value, Type="SecureString", Overwrite=True)

    def forget(self, name: str) -> None:
        """Takes a secret of the agency out of the parameter store."""
        parameter_store().delete_parameter(Name=self._parameter(name))

    def _parameter(self, name: str) -> str:
        return f"/batchline/{settings().stage}/agencies/{self.agency.id}/{name}"

    # --- the product

    def create(self, contacts: int | Iterable[str | Row] = 1, **batch: object) -> Batch:
        """A new batch of so many contacts, or of these; its limits are out of the way, and a retry comes at once."""
        listed: Iterable[str | Row] = fictional_numbers(contacts) if isinstance(contacts, int) else contacts
        whole: dict[str, object] = {
            "agent_mapping_id": self.agency.agent_mapping_id,
            "campaign_id": self.agency.campaign_id,
            "from_number": self.agency.from_number,
            "calls_per_minute": 6000,
            "max_concurrent": 100,
            "calling_hours": None,
            "retry": {"delay_minutes": 0.002, "growth": 1},
            "contacts": [{"phone_number": one} if isinstance(one, str) else one for one in listed],
        }
        answer = database.rpc("create_call_batch", {"p_user_id": self.agency.owner, "p_batch": whole | batch})
        return Batch(self, answer["batch_id"])

    def run(self, seconds: float = 30) -> Row:
        """One run of the processor in this process, which stops to claim after so many seconds if it has not ended."""
        return dict(dialer.process(lambda: round(1000 * (settings().turn_seconds + seconds)), str(self.agency.id)))

    def run_until(self, condition: Callable[[], object]) -> None:
        """Short runs, one after the other, until the condition holds: for agencies that stay active."""

        def holds_after_a_run() -> object:
            self.run(0.3)
            return condition()

        until(holds_after_a_run)

    @contextmanager
    def worker(self, seconds: float = 60, **environment: str) -> Generator[Worker]:
        """A run of the processor in a process of its own, which is gone at the end of the block."""
        milliseconds = round(1000 * (settings().turn_seconds + seconds))
        with spawned(
            [sys.executable, "-c", WORKER, str(milliseconds), str(self.agency.id)],
            cwd=ROOT,
            env=os.environ | environment,
            stderr=subprocess.PIPE,
        ) as process:
            yield Worker(process)

    # --- what came of it

    def rows(self, query: LiteralString, *parameters: object) -> list[Row]:
        with self.db.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, parameters).fetchall()

    def one(self, query: LiteralString, *parameters: object) -> Row:
        rows = self.rows(query, *parameters)
        assert len(rows) == 1
        return rows[0]

    def value(self, query: LiteralString, *parameters: object) -> Any:
        return next(iter(self.one(query, *parameters).values()))

    def row(self) -> Row:
        """The agency's own row."""
        return self.one("select * from public.agencies where id = %s", self.agency.id)

    def calls(self) -> list[Row]:
        """The agency's calls, in the order of their claims."""
        query = "select * from public.calls where agency_id = %s and contact_id is not null order by claimed_at, id"
        return self.rows(query, self.agency.id)

    def stats(self) -> Row:
        """What the oracle counted for the agency's account."""
        return self.simulator.stats(account=self.account)

    def dialled(self) -> list[Row]:
        """Every call that the provider accepted from the agency."""
        return self.simulator.calls(account=self.account)

    def clean(self) -> None:
        """Leaves nothing that would keep a processor busy, though late events may still come in."""
        self.simulator.reset()
        until(self._is_deleted)

    def _is_deleted(self) -> bool:
        for table in ("call_events", "calls", "campaign_contacts", "call_batches"):
            statement = sql.SQL("delete from public.{} where agency_id = %s").format(sql.Identifier(table))
            try:
                self.db.execute(statement, [self.agency.id])
            except psycopg.errors.ForeignKeyViolation:  # an event came in between
                return False
        return True


@dataclass(frozen=True)
class Batch:
    """A batch of the world's agency."""

    world: World
    id: str

    def row(self) -> Row:
        return self.world.one("select * from public.call_batches where id = %s", self.id)

    @property
    def status(self) -> str:
        return self.row()["status"]

    def contacts(self) -> list[Row]:
        """In the order of the list."""
        return self.world.rows("select * from public.campaign_contacts where batch_id = %s order by position", self.id)

    def contact(self, number: str) -> Row:
        query = "select * from public.campaign_contacts where batch_id = %s and phone_number = %s"
        return self.world.one(query, self.id, number)

    def calls(self, number: str | None = None) -> list[Row]:
        """The batch's calls, or those to one number, in the order of their claims."""
        mine = (call for call in self.world.calls() if str(call["batch_id"]) == self.id)
        return [call for call in mine if number in (None, call["to_number"])]

    def call(self, number: str | None = None) -> Row:
        """The only call."""
        (call,) = self.calls(number)
        return call

    def events(self, event: str) -> list[Row]:
        query = "select * from public.call_events where batch_id = %s and event = %s order by id"
        return self.world.rows(query, self.id, event)

    def counters(self) -> Row:
        row = self.row()
        names = ("pending", "queued", "in_progress", "completed", "failed", "skipped")
        return {name: row[name] for name in names if row[name]}

    def stats(self) -> Row:
        """What the oracle counted for the batch."""
        return self.world.simulator.stats(batch_id=self.id)

    def pause(self) -> Row:
        return self._verb("pause_call_batch")

    def resume(self) -> Row:
        return self._verb("resume_call_batch")

    def cancel(self) -> Row:
        return self._verb("cancel_call_batch")

    def _verb(self, name: str) -> Row:
        return database.rpc(name, {"p_user_id": self.world.agency.owner, "p_batch_id": self.id})


@dataclass(frozen=True)
class Worker:
    """A running process of the processor."""

    process: subprocess.Popen[str]

    def result(self) -> Row:
        """What its run answered, once it has ended."""
        return json.loads(self.output()[0].splitlines()[-1])

    def output(self) -> tuple[str, str]:
        """What it wrote to stdout and to stderr, once it has ended well."""
        written = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, written
        return written


def configure(environment: Mapping[str, str], patch: Callable[[str, str], None]) -> None:
    """Other settings from now on; `patch` sets a variable of the environment."""
    for name, value in environment.items():
        patch(name, value)
    settings.cache_clear()
    database.close()
