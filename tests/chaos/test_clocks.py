"""Clocks that are wrong: a worker's decides nothing, and the database's, when it is set, costs time and nobody a call.

A worker's wall clock is moved by a sitecustomize module in its own process; the database's in its one function clock(),
so that every session sees it at once.
"""

from __future__ import annotations

import hmac
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import psycopg
import pytest

from local.processes import ROOT
from shared import database, dialer
from shared.settings import settings
from tests.conftest import database as new_database
from tests.dialer.conftest import SHORT
from tests.dialer.harness import World, configure, doing, parameter_store, until
from tests.sql import payloads
from tests.sql.checks import assert_sound, query
from tests.sql.world import World as Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import LiteralString

    from local.postgres import Server
    from local.simulator.client import Simulator
    from tests.factories import Connection

    Move = Callable[[float], None]

NOW = "clock_timestamp()"
MINUTES = 60
HOUR = 3600
WRONG_CLOCK = """
import datetime, os, time

off = float(os.environ["WALL_CLOCK_OFF"])
real_time, real_time_ns, real_datetime = time.time, time.time_ns, datetime.datetime


class IsAny(type):
    def __instancecheck__(cls, one):
        return isinstance(one, real_datetime)


class WrongDatetime(real_datetime, metaclass=IsAny):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls):
        return cls.now(datetime.timezone.utc).replace(tzinfo=None)


time.time = lambda: real_time() + off
time.time_ns = lambda: real_time_ns() + int(off * 1e9)
datetime.datetime = WrongDatetime
"""
TELL_THE_TIME = "import time, datetime; print(time.time(), datetime.datetime.now(datetime.timezone.utc).timestamp())"
RECEIVE = """
import sys
from shared import errors, webhooks

agency_id, timestamp, signature = sys.argv[1:]
headers = {webhooks.TIMESTAMP_HEADER: timestamp, webhooks.SIGNATURE_HEADER: signature}
try:
    webhooks.receive(agency_id, headers, sys.stdin.buffer.read())
    print("taken")
except errors.UnauthorizedError:
    print("refused")
"""


@pytest.fixture
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Timers shortened together, and a processor in this process that looks around more often."""
    monkeypatch.setattr(dialer, "LONGEST_WAIT_SECONDS", 0.1)
    monkeypatch.setattr(dialer, "RECONCILE_SECONDS", 0.1)
    configure(SHORT, monkeypatch.setenv)
    yield
    settings.cache_clear()
    database.close()


@pytest.fixture(scope="module")
def _ssm() -> Iterator[None]:
    yield
    parameter_store().close()
    parameter_store.cache_clear()


@pytest.fixture
def world(db: Connection, simulator: Simulator, _fresh: None, _ssm: None) -> Iterator[World]:
    simulator.configure(people=doing("answered"), billed_after_seconds=0.05)
    world = World.make(db, simulator)
    yield world
    world.clean()


@pytest.fixture
def wrong_by(tmp_path: Path) -> Callable[[float], dict[str, Any]]:
    """The environment of a process whose wall clock is off by so many seconds."""
    (tmp_path / "sitecustomize.py").write_text(WRONG_CLOCK)

    def environment(seconds: float) -> dict[str, Any]:
        return {"PYTHONPATH": str(tmp_path), "WALL_CLOCK_OFF": str(seconds)}

    told = subprocess.run(
        [sys.executable, "-c", TELL_THE_TIME], env=os.environ | environment(HOUR), capture_output=True, check=True
    ).stdout.split()
    assert all(HOUR - 60 < float(one) - time.time() < HOUR + 60 for one in told)
    return environment


@pytest.fixture
def set_database_clock(db: Connection) -> Iterator[Move]:
    """Sets the database's clock so many seconds from the real time, for every session at once."""
    original = query(db, "select pg_get_functiondef('batchline.clock()'::regprocedure)")[0][0]

    def move(seconds: float) -> None:
        db.execute(cast("LiteralString", original.replace(NOW, f"{NOW} + interval '{seconds} s'")))
        until(lambda: abs(_database_time() - time.time() - seconds) < 60)

    yield move
    db.execute(cast("LiteralString", original))


def _database_time() -> float:
    return datetime.fromisoformat(database.rpc("clock", {})).timestamp()


def assert_everybody_was_called_once(world: World, contacts: int) -> None:
    stats = world.stats()
    assert (stats["accepted"], stats["double_dials"], stats["most_calls_per_contact"]) == (contacts, 0, 1)
    assert not [call for call in world.calls() if call["is_live"]]
    assert_sound(world.db)


# --- the worker's


@pytest.mark.parametrize("off", [-10 * MINUTES, 10 * MINUTES])
def test_a_worker_whose_clock_is_wrong_decides_the_same(
    world: World, wrong_by: Callable[[float], dict[str, Any]], off: float
) -> None:
    # Look-ups alone tell what becomes of the calls: when to ask is no matter of the worker's clock either.
    world.simulator.configure(webhooks={"lose_rate": 1.0})
    world.simulator.add_fault("accept_then_drop", {"times": 1})
    batch = world.create(12, calls_per_minute=300)

    with world.worker(**wrong_by(off)) as worker:
        figures = worker.result()

    assert figures["calls_initiated"] == 12  # none was found to be too late to send
    assert_everybody_was_called_once(world, 12)
    assert (batch.status, batch.counters()) == ("completed", {"completed": 12})
    begun = [call["began_at"] for call in batch.calls()]
    assert max(sum(timedelta(0) <= one - first < timedelta(seconds=1) for one in begun) for first in begun) <= 5
    now = world.value("select clock_timestamp()")
    for call in batch.calls():
        assert now - timedelta(minutes=5) < call["claimed_at"] <= call["began_at"] <= call["accepted_at"] <= now
    assert len(batch.events("adopted")) == 1


@pytest.mark.parametrize("off", [-10 * MINUTES, 10 * MINUTES])
def test_the_date_of_a_retry_after_is_read_against_the_answers_own(
    world: World, wrong_by: Callable[[float], dict[str, Any]], off: float
) -> None:
    until_then = datetime.now(UTC) + timedelta(seconds=8)
    world.simulator.add_fault(
        "refuse",
        {"times": 1},
        status=429,
        body={"detail": "slow down"},
        headers={"Retry-After": format_datetime(until_then, usegmt=True)},
    )
    batch = world.create(3)

    with world.worker(**wrong_by(off)) as worker:
        worker.result()

    (throttled,) = batch.events("throttled")
    assert 0 < throttled["detail"]["retry_after_seconds"] <= 9  # a server writes its Date once a second
    begun = [call["began_at"] for call in batch.calls() if call["began_at"] > throttled["at"]]
    assert begun
    assert all(at >= until_then.replace(microsecond=0) - timedelta(seconds=1) for at in begun)
    assert_everybody_was_called_once(world, 3)
    assert batch.status == "completed"


@pytest.mark.parametrize(
    ("off", "answer"),
    [(-4 * MINUTES, "taken"), (4 * MINUTES, "taken"), (-10 * MINUTES, "refused"), (10 * MINUTES, "refused")],
)
def test_a_webhook_is_taken_within_five_minutes_of_our_clock(
    world: World, wrong_by: Callable[[float], dict[str, Any]], off: float, answer: str
) -> None:
    call = {"id": uuid4(), "began_at": datetime.now(UTC).isoformat(), "to_number": "+12125550101"}
    call |= dict.fromkeys(("agency_id", "batch_id", "contact_id", "from_number"), "")
    body = json.dumps({"event": "call.started", "call": payloads.base(call)}, default=str).encode()
    stamp = datetime.now(UTC).isoformat()
    signature = hmac.new(f"secret-{world.agency.id}".encode(), body + stamp.encode(), "sha256").hexdigest()

    said = subprocess.run(
        [sys.executable, "-c", RECEIVE, str(world.agency.id), stamp, signature],
        cwd=ROOT, env=os.environ | wrong_by(off), input=body, capture_output=True, check=True,
    ).stdout.decode().splitlines()  # fmt: skip

    assert said[-1] == answer
    stored = world.rows(
        "select from public.call_events where agency_id = %s and event = 'call.started'", world.agency.id
    )
    assert len(stored) == (answer == "taken")


# --- the database's


@pytest.fixture
def _unhurried(_fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The product's own timers: whom a busy machine holds back in one clock waits for an hour in the other."""
    for name in SHORT:
        monkeypatch.delenv(name)
    configure({}, monkeypatch.setenv)


@pytest.mark.usefixtures("_unhurried")
@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_database_clock_that_is_set_during_a_run_loses_nobody(
    world: World, set_database_clock: Move, jump: float
) -> None:
    # Of 10 in a row never more than 3: the circuit breaker stays closed.
    world.simulator.add_fault("accept_then_drop", {"rate": 0.15})
    first = world.create(60, calls_per_minute=1200)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(world.run, 60)
        until(lambda: world.stats()["accepted"] >= 20)
        set_database_clock(jump)
        second = world.create([f"+1212555{n}" for n in range(1100, 1120)], calls_per_minute=1200)
        until(lambda: second.status == "completed")  # it has not waited for the hour to come round again
        set_database_clock(0)
        running.result()
    world.run_until(lambda: first.status == "completed")  # a busy machine may need the next run

    assert_everybody_was_called_once(world, 80)
    for batch, contacts in ((first, 60), (second, 20)):
        assert (batch.status, batch.counters()) == ("completed", {"completed": contacts})
        assert not [one for one in batch.contacts() if not one["reason"]]


@pytest.fixture
def rows(server: Server, template: str) -> Iterator[Rows]:
    with new_database(server, template) as name, psycopg.connect(server.database(name)) as connection:
        yield Rows(connection, max_calls_per_minute=60)
        connection.rollback()


def _begin_for(rows: Rows, seconds: int) -> int:
    """How many calls begin in so many seconds, with a claim each second; all of them end at once."""
    begun = 0
    for _ in range(seconds):
        calls = rows.dial()
        begun += len(calls)
        rows.accept(calls)
        for call_id in calls:
            rows.finish(call_id, talk_seconds=42)
        rows.move_clock(1.006)
    return begun


@pytest.mark.parametrize("jump", [HOUR, -HOUR, -30, 30])
def test_the_pace_is_wrong_by_one_window_at_most(rows: Rows, jump: float) -> None:
    rows.processing(80, calls_per_minute=60)
    before = _begin_for(rows, 60)

    rows.move_clock(jump)
    rows.processing(100, calls_per_minute=60)
    within_a_minute = _begin_for(rows, 60)
    within_two = within_a_minute + _begin_for(rows, 60)

    assert before in (59, 60)
    assert within_a_minute <= 60
    assert within_two >= 59
    assert query(rows.connection, "select from public.calls where is_live") == []
    assert_sound(rows.connection)
