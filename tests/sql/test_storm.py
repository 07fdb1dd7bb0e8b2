"""Everybody at once for some seconds: workers, the provider, users and reconciliation, on two agencies.

Nobody may ever meet a deadlock or a violated constraint, and the books must agree at the end.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, cast
from uuid import NAMESPACE_OID, UUID, uuid5

import psycopg

from tests.sql import payloads
from tests.sql.checks import assert_sound, query
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.factories import Connection
    from tests.sql.races import Race

    Start = Callable[[World, Callable[[], object]], Race[Any]]

SECONDS = 3.0
SOME_CALLS = """
select to_jsonb(call) from public.calls as call
where agency_id = any (%s) and began_at is not null and status <> 'ended'
order by random() limit 4
"""
MOST_LIVE = """
select max(live) from (
  select count(*) as live from public.calls where agency_id = any (%s) and is_live group by agency_id, to_number
) as counted
"""


class Storm:
    """What each of them does over and over, in a session of its own."""

    def __init__(self, sessions: tuple[World, World], seed: int) -> None:
        self.sessions = sessions
        self.agencies = [world.agency.id for world in sessions]
        self.connection = sessions[0].connection
        self.dice = Random(seed)  # noqa: S311
        self.done = 0

    def rage(self, act: Callable[[Storm], None]) -> int:
        """Acts until the time is over; returns how often it did something to the end."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            try:
                act(self)
                self.done += 1
            except psycopg.errors.SerializationFailure:
                continue  # the one error that says: repeat
            except psycopg.Error as error:
                if error.sqlstate not in ("PT400", "PT404"):
                    raise
        return self.done

    def dial(self) -> None:
        world = self.dice.choice(self.sessions)
        worker = f"worker {self.dice.random()}"
        answer = world.verb("claim_calls", p_worker=worker, p_limit=12, p_lease_seconds=self.dice.choice([0.01, 5]))
        begun = world.begin([UUID(order["call_id"]) for order in answer["calls"]], worker)
        world.settle_all([self._result(str(call_id)) for call_id in begun])

    def tell(self) -> None:
        for row in self._some_calls():
            how = self.dice.choice([payloads.answered, payloads.unanswered])
            told = how(row, theirs(row))
            word = self.dice.choice(list(told))
            arguments = {"p_agency_id": row["agency_id"], "p_event": f"call.{word}", "p_call": told[word]}
            self.sessions[0].verb("ingest_event", **arguments)

    def use(self) -> None:
        world = self.dice.choice(self.sessions)
        batches = [row for row in world.all("call_batches") if row["status"] in ("pending", "processing", "paused")]
        if len(batches) < 4:
            ends_at = self.dice.choice([None, None, world.time(0.3)])
            numbers = self.dice.sample(NUMBERS, 12)
            world.create(numbers, max_concurrent=6, retry={"delay_minutes": 0}, ends_at=ends_at)
        elif self.dice.random() < 0.15:
            numbers = self.dice.sample(NUMBERS, 3)
            world.forbid(numbers)
            world.verb("remove_from_do_not_call", p_user_id=world.agency.owner, p_phone_numbers=numbers)
        else:
            verb = self.dice.choices([world.pause, world.resume, world.cancel], [4, 8, 1])[0]
            verb(UUID(self.dice.choice(batches)["id"]))

    def reconcile(self) -> None:
        world = self.dice.choice(self.sessions)
        world.sweep(20)
        questions = world.verb(
            "claim_questions", p_limit=10, p_ask_after_seconds=0, p_ask_again_seconds=0, p_silence_seconds=0.2,
            p_join_timeout_seconds=1,
        )["calls"]  # fmt: skip
        answers = [self._answer(world.call(question["call_id"])) for question in questions]
        world.verb("record_answers", p_answers=answers or [{"call_id": None}], p_ask_again_seconds=0)

    def _some_calls(self) -> list[dict[str, Any]]:
        return [cast("dict[str, Any]", row[0]) for row in query(self.connection, SOME_CALLS, self.agencies)]

    def _result(self, call_id: str) -> dict[str, Any]:
        results = ["accepted", "unknown", "throttled", "unreachable", "number_refused", "account_refused", "agent_gone"]
        return {
            "call_id": call_id,
            "result": self.dice.choices(results, [60, 12, 8, 8, 4, 1, 1])[0],
            "ultravox_call_id": str(uuid5(NAMESPACE_OID, call_id)),
            "reason": "why",
            "retry_after_seconds": 0.01,
        }

    def _answer(self, row: Mapping[str, Any]) -> dict[str, Any]:
        word = self.dice.choice(["started", "joined", "ended"])
        told = payloads.answered(row, theirs(row))[word]
        return {"call_id": row["id"], "answer": self.dice.choice(["found", "none", "none", "failed"]), "call": told}


NUMBERS = [f"+1213555{n:04d}" for n in range(100, 140)]
EVERYBODY = {
    "worker": Storm.dial,
    "another worker": Storm.dial,
    "webhook": Storm.tell,
    "another webhook": Storm.tell,
    "user": Storm.use,
    "another user": Storm.use,
    "reconciler": Storm.reconcile,
}


def theirs(row: Mapping[str, Any]) -> UUID:
    """The provider's id of a call of ours: always the same."""
    return uuid5(NAMESPACE_OID, row["id"])


def test_everybody_at_once_meets_no_deadlock_and_the_books_agree(new_database: Callable[[], str], race: Start) -> None:
    url = new_database()
    with ExitStack() as stack:

        def open_one() -> Connection:
            return stack.enter_context(psycopg.connect(url, autocommit=True))

        connection = open_one()
        worlds = World(connection), World(connection)
        for world in worlds:
            world.create(NUMBERS[:20], max_concurrent=8, retry={"delay_minutes": 0})
        storms = {name: Storm(share(worlds, open_one()), seed) for seed, name in enumerate(EVERYBODY)}

        running = {
            name: race(storm.sessions[0], partial(storm.rage, EVERYBODY[name])) for name, storm in storms.items()
        }
        done = {name: one.result() for name, one in running.items()}

        assert_sound(connection)
        assert query(connection, MOST_LIVE, [world.agency.id for world in worlds])[0][0] in (None, 1)
        assert min(done.values()) >= 5, done
        assert query(connection, "select count(*) from public.calls where began_at is not null")[0][0] >= 20


def share(worlds: tuple[World, World], connection: Connection) -> tuple[World, World]:
    """The same agencies in another session."""
    return World(connection, worlds[0].agency), World(connection, worlds[1].agency)
