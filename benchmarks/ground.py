"""What every measurement stands on: a running stack, agencies with an account at the provider, and their batches."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
from localstack_client.session import Session  # pyright: ignore[reportMissingTypeStubs]
from psycopg.types.json import Jsonb

from local.aws import REGION
from local.simulator.client import Simulator
from local.stack import STAGE, Stack
from shared.settings import settings
from tests.factories import make_agency

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import LiteralString

    from benchmarks.optimum import Limits
    from tests.factories import Agency, Connection

ONE_ATTEMPT = {"max_attempts": 1, "delay_minutes": 1, "growth": 1, "on": ["no_answer"]}
NO_LIMITS = {"name": "benchmark", "calls_per_second": None, "calls_per_minute": None, "max_concurrent": None}


@dataclass(frozen=True)
class Account:
    """An agency's side at the provider: its key, its agent and the account's id, by which the oracle counts."""

    key: str
    agent_id: str
    id: str


@dataclass(frozen=True)
class Ground:
    """`db` is a superuser's connection, each statement its own transaction."""

    stack: Stack
    db: Connection
    simulator: Simulator

    def rows(self, statement: LiteralString, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """What a query answers."""
        return self.db.execute(statement, parameters).fetchall()

    def account(self) -> Account:
        """An account without limits: it is ours that must hold."""
        key, agent_id = f"key-{uuid4()}", str(uuid4())
        account_id = self.simulator.add_account(key, plan=NO_LIMITS, agents=[{"agentId": agent_id}])
        return Account(key, agent_id, account_id)

    def agency(self, limits: Limits) -> tuple[Agency, Account]:
        """An agency with this plan and an account, whose secrets are where the functions look for them."""
        agency = make_agency(
            self.db, max_calls_per_minute=limits.calls_per_minute, max_concurrent_calls=limits.max_concurrent
        )
        account = self.account()
        self.db.execute(
            "update public.agent_mappings set ultravox_agent_id = %s where id = %s",
            (account.agent_id, agency.agent_mapping_id),
        )
        self.store_key(agency, account.key)
        self.store(agency, "ultravox-webhook-secret", f"secret-{uuid4()}")
        return agency, account

    def store_key(self, agency: Agency, key: str) -> None:
        """The agency's key for the provider from now on."""
        self.store(agency, "ultravox-api-key", key)

    def store(self, agency: Agency, name: str, value: str) -> None:
        """A secret of the agency, as an operator would store it."""
        session: Any = Session("test", "test", region_name=REGION)
        path = f"/batchline/{STAGE}/agencies/{agency.id}/{name}"
        session.client("ssm").put_parameter(Name=path, Value=value, Type="SecureString", Overwrite=True)

    def batch(self, agency: Agency, limits: Limits, numbers: Sequence[str]) -> str:
        """A batch that calls each number once; its id."""
        asked = {
            "agent_mapping_id": str(agency.agent_mapping_id),
            "campaign_id": str(agency.campaign_id),
            "from_number": agency.from_number,
            "name": "Benchmark",
            "calls_per_minute": limits.calls_per_minute,
            "max_concurrent": limits.max_concurrent,
            "calling_hours": None,
            "retry": ONE_ATTEMPT,
            "contacts": [{"phone_number": number} for number in numbers],
        }
        created = self.rows("select batchline.create_call_batch(%s, %s) ->> 'batch_id'", (agency.owner, Jsonb(asked)))
        return created[0][0]


@contextmanager
def ground(**simulator: Any) -> Generator[Ground]:
    """A fresh stack, as durable as the real one; `simulator` replaces members of the simulator's configuration.

    Its settings are in the environment of this process, for what it starts.
    """
    with (
        tempfile.TemporaryDirectory(prefix="batchline-") as folder,
        Stack(Path(folder) / "stack", simulator_config=simulator) as stack,
        psycopg.connect(stack.database_url, autocommit=True) as db,
        Simulator(stack.simulator_url) as client,
    ):
        before = dict(os.environ)
        os.environ.update(stack.env)
        settings.cache_clear()
        try:
            yield Ground(stack, db, client)
        finally:
            os.environ.clear()
            os.environ.update(before)
            settings.cache_clear()
